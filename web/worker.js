// Keeps the app itself, so that a reload without network finds it. NAME, VERSION, FILES and LATER are put in front by
// the server. Nothing of the API is ever kept here.

const CACHE = `${NAME}-${VERSION}`;

self.addEventListener("install", (event) => {
  // The page has just fetched most of them: asked whether they are the same, not fetched again.
  const fill = async () => (await caches.open(CACHE)).addAll(FILES.map((path) => new Request(path, { cache: "no-cache" })));
  event.waitUntil(fill().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const clean = async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith(`${NAME}-`) && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
    complete();
  };
  event.waitUntil(clean());
});

// A page that has begun: perhaps before this worker was ready (see scanner/offline.js).
self.addEventListener("message", (event) => event.data === "begun" && event.waitUntil(Promise.all([self.clients.claim(), complete()])));

/** What the app works without: not waited for, and what does not come is asked for again when a page begins. */
async function complete() {
  const cache = await caches.open(CACHE);
  const there = new Set((await cache.keys()).map(({ url }) => new URL(url).pathname));
  await Promise.all(LATER.filter((path) => !there.has(path)).map((path) => cache.add(path).catch(() => null)));
}

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== location.origin || ![...FILES, ...LATER].includes(url.pathname)) return;
  event.respondWith(fromCacheFirst(url.pathname, event.request));
});

/** The kept file; a new version arrives as a whole with the next service worker. */
async function fromCacheFirst(path, request) {
  return (await (await caches.open(CACHE)).match(path)) ?? fetch(request);
}
