"use strict";
const at = (id) => document.getElementById(id);

function made(tag, text, ...children) {
  const element = document.createElement(tag);
  element.textContent = text;
  element.append(...children);
  return element;
}

function say(line, failed = false) {
  at("status").textContent = line;
  at("status").className = failed ? "failed" : "";
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

let asked = null;

async function ask(picture) {
  asked?.abort(); // the last picture is the one that counts
  if (!picture) return say("There is no picture in that.", true);
  if (picture.size > LARGEST) return say(`More than ${LARGEST >> 20} MiB; take a smaller picture.`, true);
  say("The net looks at it …");
  const { signal } = (asked = new AbortController());
  try {
    const response = await fetch("answer", { method: "POST", body: picture, signal }).catch(() => {
      throw new Error("The server does not answer; is `alexctl serve` still running?");
    });
    const answer = await response.json().catch(() => ({ error: "The server is busy; try again in a moment." }));
    if (!response.ok) throw new Error(answer.error);
    if (!signal.aborted) show(answer);
  } catch (error) {
    if (signal.aborted) return;
    at("answer").hidden = true;
    say(error.message, true);
  }
}

function show(answer) {
  at("picture").src = answer.picture;
  at("top").replaceChildren(...answer.top.map(likely));
  at("crops").replaceChildren(...answer.crops.map(crop));
  at("nearest").replaceChildren(...answer.alike.map(like));
  at("alike").hidden = !answer.alike.length;
  at("layers").replaceChildren(...answer.layers.map(layer));
  at("answer").hidden = false;
  const best = answer.top[0];
  say(`${best.name}, ${percent(best.probability)}.`);
}

function likely(each) {
  const bar = made("meter", percent(each.probability));
  bar.value = each.probability;
  bar.setAttribute("aria-label", `probability of ${each.name}`);
  return made("li", `${each.name}, ${percent(each.probability)}`, bar);
}

function like(each) {
  const image = document.createElement("img");
  image.src = each.picture;
  image.alt = each.name;
  const text = made("figcaption", `${each.name}, ${each.distance.toPrecision(3)}`);
  return made("figure", "", image, text);
}

function crop(each) {
  const row = made("tr", "");
  const share = made("td", percent(each.probability));
  share.className = "n";
  const head = made("th", each.crop);
  head.scope = "row";
  row.append(head, made("td", each.name), share);
  return row;
}

function layer(each) {
  if (!each.sheets.length) {
    const line = made("p", `${each.name}: ${each.text}`);
    line.className = "crossing";
    return line;
  }
  const columns = made("div", "");
  columns.className = "columns";
  each.sheets.forEach((source, number) => {
    const sheet = document.createElement("img");
    sheet.src = source;
    sheet.alt = each.sheets.length > 1 ? `maps of ${each.name}, column ${number + 1}` : `maps of ${each.name}`;
    columns.append(sheet);
  });
  const note = made("span", ` ${each.text}`);
  note.className = "note";
  return made("div", "", made("h3", each.name, note), columns);
}

function picked(list) {
  return [...list].find((each) => each.type.startsWith("image/")) ?? list[0];
}

at("ask").addEventListener("submit", (event) => event.preventDefault());
at("file").addEventListener("click", () => { at("file").value = ""; }); // so that the same picture can be chosen again
at("file").addEventListener("change", () => at("file").files.length && ask(at("file").files[0]));
addEventListener("paste", (event) => event.clipboardData.files.length && ask(picked(event.clipboardData.files)));
addEventListener("dragover", (event) => { event.preventDefault(); document.body.className = "over"; });
addEventListener("dragleave", () => { document.body.className = ""; });
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.className = "";
  ask(picked(event.dataTransfer.files));
});

let stream = null;

function showCamera(open) {
  at("live").hidden = !open;
  at("camera").textContent = open ? "Close the camera" : "Use the camera";
  at("camera").setAttribute("aria-expanded", open);
}

function closeCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  showCamera(false);
}

at("camera").addEventListener("click", async () => {
  if (stream) return closeCamera();
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    at("video").srcObject = stream;
    await at("video").play();
    showCamera(true);
    at("shoot").focus();
  } catch (error) {
    closeCamera();
    say("No camera can be used; browsers allow it over https or on this machine only.", true);
  }
});
at("shoot").addEventListener("click", () => {
  const frame = document.createElement("canvas");
  frame.width = at("video").videoWidth;
  frame.height = at("video").videoHeight;
  frame.getContext("2d").drawImage(at("video"), 0, 0);
  closeCamera();
  at("camera").focus();
  frame.toBlob(ask, "image/png");
});
