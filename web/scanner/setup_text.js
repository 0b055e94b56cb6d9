// Words of setting a phone up, zh and en side by side: fetched with them, not with each start.

import { words } from "./text.js";

words({
  setup_title: ["把这台手机设为门岗", "Make this phone a gate phone"],
  setup_code: ["输入一次性代码", "Enter the one-time code"],
  setup_code_hint: ["管理员在“设备”页生成，15 分钟内有效", "A manager makes it on the page Devices; good for 15 minutes"],
  setup_claim: ["绑定", "Bind"],
  setup_or: ["或", "or"],
  setup_gate: ["选择出入口", "Choose the gate"],
  setup_gate_hint: ["{name}，您已登录", "{name}, you are signed in"],
  setup_sign_in: ["登录后选择出入口", "Sign in, choose a gate"],
  setup_pin: ["设置我的值班密码", "Set my PIN"],
  setup_pin_hint: ["4 到 8 位数字，您的工号会显示在这里", "4 to 8 digits; your number will show here"],
  setup_pin_done: ["工号 {n}，请记住", "Your number is {n}"],
  setup_busy: ["正在取名单…", "Getting the list…"],
  https_title: ["请用 https 打开", "Open this page by https"],
  https_hint: ["手机浏览器只在 https 下开放摄像头和加密。请按“信任证书”页的说明打开。", "A phone's browser opens its camera and keys only for https. The page Trust says how."],
  plain_keeping: ["正在登记…", "Recording…"],
  plain_passed: ["已登记，按照片", "Recorded, from a photo"],
  plain_turned: ["已登记：劝返", "Recorded: turned back"],
  https_go: ["查看说明", "Show me how"],
});
