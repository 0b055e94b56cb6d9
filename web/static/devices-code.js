// The QR code of a box that waits to be claimed leads here: the dialog is open, with the code in it.
import { openDialog } from "./shell.js";

openDialog("add-device");
document.getElementById("f-name")?.focus();
