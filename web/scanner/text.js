// Every word of the gate app, zh and en side by side.

const WORDS = {
  app: ["门岗", "Gate"],
  in: ["进", "IN"],
  out: ["出", "OUT"],
  auto: ["自动", "AUTO"],
  online: ["在线", "Online"],
  offline: ["离线", "Offline"],
  offline_queue: ["离线 · {n}", "Offline · {n}"],
  online_queue: ["在线 · {n}", "Online · {n}"],
  waiting: ["{n} 条待传，有网后自动上传", "{n} waiting; sent by itself when online"],
  waiting_none: ["离线照常放行，有网后自动上传", "Works offline; sent by itself when online"],
  oldest: ["最早一条 {age}", "oldest {age}"],
  line: ["网络", "Network"],
  list: ["名单", "List"],
  state: ["设备状态", "State of this phone"],
  list_count: ["{n} 个通行码", "{n} passes"],
  list_none: ["还没有名单，请联网", "No list yet: go online"],
  list_stale: ["名单已 {age}未更新，请联网", "The list is {age} old: go online"],
  inside: ["在内", "Inside"],
  as_of: ["{age}", "{age}"],
  ago_now: ["刚刚", "just now"],
  ago_s: ["{n} 秒前", "{n} s ago"],
  ago_min: ["{n} 分钟前", "{n} min ago"],
  ago_h: ["{n} 小时前", "{n} h ago"],
  ago_d: ["{n} 天前", "{n} days ago"],
  ready: ["请出示通行码", "Show the pass"],
  ready_hint: ["对准方框，自动识别", "Hold it in the frame; it reads by itself"],
  no_camera: ["没有摄像头", "No camera"],
  no_camera_hint: ["可用扫码枪、拍照上传或手工登记", "Use a reader, a photo, or register by hand"],
  insecure: ["此地址不是 https，手机浏览器不开放摄像头", "This address is not https, so the browser keeps its camera shut"],
  sleeping: ["已休眠", "Asleep"],
  sleeping_hint: ["轻触屏幕或扫码枪即可唤醒", "Touch the screen or use the reader to wake it"],
  allow: ["放行", "ALLOW"],
  check: ["请核实", "CHECK"],
  stop: ["请止步", "STOP"],
  let_in: ["放行", "Let in"],
  let_out: ["放行", "Let out"],
  turn_back: ["劝返", "Turn back"],
  exception: ["特批放行（按住）", "Let in by exception (hold)"],
  exception_why: ["特批放行的原因", "Why by exception?"],
  ex_known: ["本人已当面核实", "Known to me, checked in person"],
  ex_office: ["居委会已电话同意", "The office agreed by telephone"],
  ex_emergency: ["急救、消防或警务", "Ambulance, fire or police"],
  ex_mistake: ["通行码登记有误", "The record is wrong"],
  companion: ["同行 +1", "Plus one"],
  companions: ["同行 +{n}", "Plus {n}"],
  companion_done: ["已加 1 位同行人", "One more person added"],
  courier: ["快递外卖", "Courier"],
  guest: ["访客", "Guest"],
  by_hand: ["手工登记", "By hand"],
  more: ["更多", "More"],
  undo: ["撤销（按住）", "Undo (hold)"],
  undo_short: ["撤销", "Undo"],
  undo_why: ["撤销的原因", "Why undo?"],
  undo_twice: ["重复扫码", "Scanned twice"],
  undo_direction: ["方向选错", "Wrong direction"],
  undo_stayed: ["没有通过", "Did not go through"],
  undo_other: ["扫错了人", "Wrong person"],
  undone: ["已撤销，记录保留", "Undone; the record is kept"],
  home: ["住址", "Home"],
  type: ["类别", "Type"],
  time: ["时间", "Time"],
  resident: ["居民", "Resident"],
  frequent: ["常访", "Frequent visitor"],
  visitor: ["访客", "Visitor"],
  carer: ["护工", "Carer"],
  worker: ["工作人员", "Worker"],
  anonymous: ["匿名", "Anonymous"],
  claimed: ["自报", "Says so"],
  unit_hidden: ["按住看房号", "Hold for the unit"],
  building: ["{n} 号楼", "Building {n}"],
  last_scans: ["最近记录", "Last scans"],
  last_none: ["还没有记录", "None yet"],
  last_memory: ["只在内存中，关闭即清除", "Kept in memory only; gone when closed"],
  last_let_in: ["核实后放行", "Let in after a check"],
  last_turned: ["已劝返", "Turned back"],
  last_open: ["未处理", "Not decided"],
  last_allowed: ["已放行", "Allowed"],
  last_undone: ["已撤销", "Undone"],
  courier_title: ["快递外卖", "Courier"],
  courier_hint: ["可不填房号", "The unit may stay empty"],
  note: ["备注", "Note"],
  call: ["联系办公室", "Call the office"],
  name_hidden: ["值班时按住看全名，有记录", "Hold for the full name: on duty only, and on record"],
  ask: ["核对数字（防截图）", "Check by a number"],
  ask_title: ["请住户在“我的通行码”输入或扫这个码", "Type this in My pass, or scan it there"],
  ask_hint: ["一分钟内有效，只用一次", "Good for a minute, once"],
  ask_code: ["数字的二维码", "The number as a code"],
  ask_again: ["换一个数字", "New number"],
  needs_line: ["需要联网", "This needs the network"],
  voice: ["语音播报", "Voice"],
  retry: ["再试一次", "Try again"],
  kind_scan: ["扫码", "Scan"],
  kind_visitor: ["访客", "Visitor"],
  kind_correction: ["撤销", "Undo"],
  emergency: ["应急放行中", "Emergency: everyone passes"],
  emergency_more: ["应急全员放行", "Emergency: let everyone pass"],
  emergency_title: ["应急全员放行", "Let everyone pass"],
  emergency_what: ["所有人不经核验直接通过，记下工号并计数，由值班员结束。", "Nobody is checked. Your number is kept, people are counted, and a guard ends it."],
  emergency_begin: ["按住开始", "Hold to begin"],
  emergency_pin: ["应急放行要记下值班员", "An emergency carries the guard's name"],
  emergency_end_pin: ["结束应急放行也要记下值班员", "Ending it carries the guard's name too"],
  emergency_on: ["{at} 起，由 {n} 开始", "since {at}, begun by {n}"],
  emergency_plus: ["过一人", "One through"],
  emergency_counted: ["已计 {n} 人", "{n} counted"],
  emergency_end: ["结束（按住）", "End (hold)"],
  emergency_ended: ["应急放行已结束，共计 {n} 人", "The emergency has ended: {n} counted"],
  roll_title: ["疏散点名", "Roll call"],
  roll_pin: ["点名要先输入工号和密码", "Give your number and PIN for a roll call"],
  paper_title: ["纸质登记与补录", "Paper sheet and back-entry"],
  paper_done: ["已补录，由办公室核实", "Entered; the office settles it"],
  unit: ["房号", "Unit"],
  unit_example: ["楼-单元-室，如 7-3-1102", "building-unit-room, as 7-3-1102"],
  people: ["人数", "People"],
  stay: ["停留", "Stay"],
  hand_title: ["手工登记", "Register by hand"],
  hand_search: ["查找", "Find"],
  hand_example: ["lxm · 1234 · 04A2B3C4", "lxm · 1234 · 04A2B3C4"],
  hand_words: ["姓名首字母、手机后四位或 IC 卡号", "Initials, last four of the phone, or card number"],
  hand_claim: ["按房号登记", "Register this unit"],
  hand_offline: ["离线：先按自报登记，由服务台核实", "Offline: entered as claimed; the desk settles it later"],
  hand_nobody: ["没有查到，请换个条件", "Nobody fits: try another way"],
  hand_pin: ["查找需要先输入工号和密码", "Give your number and PIN to search"],
  hand_most: ["最多显示 5 位，已留查询记录", "Five at most; this look is on record"],
  claim_reason: ["自报住 {unit}，请核实", "Says to live at {unit}: please check"],
  photo: ["拍照识别", "From a photo"],
  photo_none: ["照片里没有找到通行码", "No pass found in this photo"],
  torch: ["补光灯", "Torch"],
  sound: ["提示音", "Sound"],
  theme: ["深色 / 浅色", "Dark / light"],
  language: ["English", "中文"],
  lock: ["锁定", "Lock"],
  guard: ["值班员", "Guard"],
  guard_none: ["未登录", "Not on duty"],
  guard_in: ["上岗", "Go on duty"],
  guard_out: ["下岗", "Go off duty"],
  guard_offline: ["{n}（离线，未验证）", "{n} (offline, not verified)"],
  pin_title: ["工号和密码", "Number and PIN"],
  pin_operator: ["工号", "Number"],
  pin_pin: ["密码", "PIN"],
  pin_ok: ["确定", "OK"],
  pin_need: ["特批放行需要记下值班员", "An exception carries the guard's name"],
  direction: ["方向", "Direction"],
  direction_lock: ["锁定方向", "Lock the direction"],
  direction_hint: ["自动：在内的人记出，不在内的人记进", "AUTO: whoever is inside goes out, everyone else comes in"],
  hold_to_change: ["已锁定，按住才能改", "Locked: hold to change"],
  queue_title: ["待传记录", "Waiting to be sent"],
  device: ["设备", "Device"],
  office: ["管理页面", "Office pages"],
  forget: ["解除绑定（按住）", "Unbind this phone (hold)"],
  close: ["关闭", "Close"],
  back: ["返回", "Back"],
  next: ["下一项", "Next"],
  erase: ["退格", "Erase"],
  choose: ["请选择", "Choose"],
  wiped: ["此设备已停用，名单已清除", "This device was revoked; its list is erased"],
  refused: ["{n} 条记录无法上传，请联系管理员", "{n} records cannot be sent: tell the admin"],
  failed: ["没有成功：{why}", "That did not work: {why}"],
  network: ["网络不通", "no network"],
  working: ["请稍候…", "One moment…"],
  poison: ["{n} 条记录服务器无法使用，已交工作人员处理", "{n} records could not be used; staff will see to them"],
};

let current = readLanguage();

function readLanguage() {
  const kept = localStorage.getItem("gate-language");
  if (kept === "zh" || kept === "en") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export const language = () => current;

export function setLanguage(value) {
  current = value;
  localStorage.setItem("gate-language", value);
  dress(document);
}

/** More words, of a part that is fetched later. */
export const words = (more) => Object.assign(WORDS, more);

/** The words for `key`; {name} places are filled from `values`. */
export function t(key, values = {}) {
  const words = WORDS[key]?.[current === "zh" ? 0 : 1] ?? key;
  return Object.entries(values).reduce((text, [name, value]) => text.replaceAll(`{${name}}`, value), words);
}

export const named = (names) => names?.[current] || Object.values(names ?? {})[0] || "";

/** Fill every element that names its words in data-t, data-t-label or data-t-placeholder. */
export function dress(root) {
  document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
  for (const each of root.querySelectorAll("[data-t]")) each.textContent = t(each.dataset.t);
  for (const each of root.querySelectorAll("[data-t-label]")) each.setAttribute("aria-label", t(each.dataset.tLabel));
  for (const each of root.querySelectorAll("[data-t-placeholder]")) each.placeholder = t(each.dataset.tPlaceholder);
}

/** "12 s ago" of a length of time. */
export function ago(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 3) return t("ago_now");
  if (s < 60) return t("ago_s", { n: s });
  if (s < 3600) return t("ago_min", { n: Math.floor(s / 60) });
  if (s < 172_800) return t("ago_h", { n: Math.floor(s / 3600) });
  return t("ago_d", { n: Math.floor(s / 86_400) });
}

let zone;

/** Times at the gate are the gate's own, whatever the phone is set to. */
export const keepZone = (name) => {
  zone = name;
};

export const dayOf = (ms) => new Date(ms).toLocaleDateString("sv-SE", { timeZone: zone });

export const clockOf = (ms) => new Date(ms).toLocaleTimeString("zh-CN", { hour12: false, timeZone: zone });
