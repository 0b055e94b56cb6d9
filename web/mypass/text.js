// Every word of the app, zh and en side by side.

const WORDS = {
  title: ["我的通行码", "My pass"],
  other: ["English", "中文"],
  claim: ["把这部手机变成通行码", "Make this phone your pass"],
  claim_hint: ["请输入领取单上的领取码。领取单由物业或居委会发放，只能使用一次。", "Type the code of your slip. The desk of your community hands slips out; each works once."],
  code: ["领取码", "Code on the slip"],
  claim_go: ["领取", "Get my pass"],
  replaces: ["领取后，您之前的手机通行码随即停用。", "Your pass on an older phone stops with this."],
  working: ["请稍候…", "One moment…"],
  show: ["向门岗出示此码", "Show this at the gate"],
  online: ["已联网", "Online"],
  offline: ["离线也可使用", "Works offline"],
  redrawn: ["每 10 秒自动更换，截图无效", "Changes every 10 seconds; a screenshot is no use"],
  clock: ["手机时间与服务器相差 {n} 秒，已自动校正。", "This phone's clock is {n} s off; the code allows for it."],
  stopped: ["此通行码已停用", "This pass was stopped"],
  stopped_hint: ["如需继续使用，请向物业领取新的领取单。", "To use this phone again, ask the desk for a new slip."],
  guest_asked: ["{gate}有访客找您", "A guest for you at {gate}"],
  guest_party: ["{n} 人，{at} 询问。您认识并同意进入吗？", "A party of {n}, asked {at}. Do you expect them?"],
  guest_yes: ["同意进入", "Yes, let them in"],
  guest_no: ["不同意", "No"],
  guest_said_yes: ["已告诉门岗：同意", "The guard was told: yes"],
  guest_said_no: ["已告诉门岗：不同意", "The guard was told: no"],
  again: ["使用新的领取单", "Use a new slip"],
  lost: ["手机丢了？请立即联系物业停用；用新的领取单领取后，旧手机的通行码也会停用。", "Lost the phone? Ask the desk to stop its pass at once. A new slip on a new phone stops the old one too."],
  look: ["查看关于我的记录", "What is kept about me"],
  looks: ["谁查看过我的信息", "Who looked at my data"],
  no_looks: ["没有人查看过", "Nobody has looked"],
  record: ["登记信息", "My entry in the register"],
  stays: ["最近的停留", "My latest stays"],
  no_stays: ["没有停留记录", "No stays are kept"],
  export: ["下载我的全部记录", "Download everything"],
  requests: ["向办公室提出", "Ask the office"],
  requests_hint: ["更正、删除、反对某种使用，或索取副本：答复会显示在这里。", "Correct something, have it deleted, object to a use, or get a copy: the answer comes here."],
  request_kind: ["事项", "What"],
  request_text: ["请简单说明（不要写身份证号和健康情况）", "In a few words; no identity-card numbers, nothing about health"],
  request_go: ["提交", "Send"],
  request_open: ["等待答复", "not answered yet"],
  request_done: ["已办理", "done"],
  request_refused: ["未同意", "refused"],
  request_answer: ["答复：{text}", "Answer: {text}"],
  correction: ["更正信息", "Correct something"],
  deletion: ["删除信息", "Delete what is kept"],
  objection: ["反对某种使用", "Object to a use"],
  copy: ["索取全部副本", "A copy of everything"],
  whose: ["出示谁的码", "Whose pass"],
  own: ["本人", "mine"],
  household: ["家人", "household"],
  carer: ["照护", "carer"],
  until: ["{day}止", "until {day}"],
  keepers: ["可出示我的码的手机", "Phones that show this pass"],
  keeper_sees: ["可查看保存的信息", "may read what is kept"],
  only_show: ["您可以出示此码，但不能查看此人的信息。", "You may show this pass, not read what is kept about the person."],
  give_back_hint: ["不再需要代为出示？可随时交回。", "No longer needed? Give it back at any time."],
  give_back_sure: ["确定交回？再点一次", "Give it back? Press once more"],
  give_back: ["交回此码", "Give this pass back"],
  answer: ["门岗要数字", "The guard asks for a number"],
  answer_hint: ["请输入门岗屏幕上的六位数字", "Type the six digits on the guard's screen"],
  answer_number: ["六位数字", "Six digits"],
  answer_go: ["出示回答", "Show the answer"],
  answer_scan: ["扫门岗屏幕", "Scan the guard's screen"],
  answer_stop: ["停止扫描", "Stop scanning"],
  answer_wrong: ["请输入六位数字", "These are not six digits: type what the guard's screen shows"],
  answer_other: ["这不是门岗屏幕上的码", "This is not the code on the guard's screen"],
  answer_camera: ["相机打不开，请直接输入数字", "The camera does not open: type the number instead"],
  answering: ["正在回答 {n}", "Answers {n}"],
  answer_left: ["还有 {n} 秒", "{n} s left"],
  answer_back: ["换回普通码", "Back to the ordinary code"],
  system: ["系统", "the system"],
  end: ["停用这部手机的通行码", "Stop the pass of this phone"],
  end_sure: ["确定停用？再点一次", "Sure? Press once more"],
  failed: ["没有成功：{why}", "That did not work: {why}"],
  network: ["没有网络，请稍后再试", "no network; try again later"],
  wechat: ["请用浏览器打开", "Open this in the browser"],
  wechat_hint: ["微信里无法安全保存通行码。", "WeChat cannot keep a pass safely."],
  wechat_1: ["点右上角的 ···", "Tap ··· at the top right"],
  wechat_2: ["选“在浏览器打开”", "Choose “Open in browser”"],
  wechat_3: ["在浏览器里领取", "Get the pass there"],
  https: ["此地址不是 https", "This address is not https"],
  https_hint: ["手机只在 https 地址上才能安全保存通行码。请使用领取单上的地址；纸质卡不受影响。", "A phone keeps a pass safely on an https address only. Use the address on the slip; printed cards work without."],
};

let index = (localStorage.getItem("me-language") ?? navigator.language).startsWith("zh") ? 0 : 1;

export const language = () => ["zh", "en"][index];

export function otherLanguage() {
  index = 1 - index;
  localStorage.setItem("me-language", language());
}

export function t(name, values = {}) {
  return Object.entries(values).reduce((text, [key, value]) => text.replaceAll(`{${key}}`, value), WORDS[name][index]);
}

export function day(ms) {
  return new Intl.DateTimeFormat(index ? "en-GB" : "zh-CN", { year: "numeric", month: "2-digit", day: "2-digit" }).format(ms);
}

/** In the phone's own time zone, 24 hours. */
export function moment(ms) {
  const options = { month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return ms === null ? "—" : new Intl.DateTimeFormat(index ? "en-GB" : "zh-CN", options).format(ms);
}
