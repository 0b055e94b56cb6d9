/** Has the service worker keep the app for starts without network, and asks again until it answers for this very page:
 * keeping can fail on a weak network, and a page that began to load while the worker became ready is nobody's. */
export function keepOffline(script, scope) {
  const workers = navigator.serviceWorker;
  if (!workers) return;
  const begun = ({ active }) => active?.postMessage("begun");
  const ask = () => workers.register(script, { scope }).then(begun, () => null);
  const asking = setInterval(() => (workers.controller ? clearInterval(asking) : ask()), 5_000);
  ask();
}
