"use strict";
const list = document.querySelector(".utterances");
const rows = Array.from(list.children);
const find = document.getElementById("find"), sort = document.getElementById("sort");
const all = document.getElementById("all"), shown = document.getElementById("shown");
const buttons = Array.from(document.querySelectorAll("button[data-edit]"));
let edit = "";

function choose() {
  const wanted = find.value.trim().toLowerCase();
  let count = 0;
  for (const row of rows) {
    const fits = row.dataset.text.includes(wanted) && (!edit || row.dataset.confusions.split(" ").includes(edit));
    row.hidden = !fits;
    count += fits;
  }
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.edit === edit));
  all.hidden = !edit && !wanted;
  shown.textContent = `${count} of ${rows.length} utterances` + (edit ? ` with ${edit}` : "");
}

for (const button of buttons) button.addEventListener("click", () => {
  edit = edit === button.dataset.edit ? "" : button.dataset.edit;
  find.value = "";
  choose();
  if (edit) {
    document.getElementById("utterances").scrollIntoView();
    all.focus({ preventScroll: true });
  }
});
all.addEventListener("click", () => { edit = find.value = ""; choose(); find.focus(); });
find.addEventListener("input", choose);
sort.addEventListener("change", () => {
  const [key, sign] = sort.value.split(" ");
  list.append(...[...rows].sort((a, b) => sign * (a.dataset[key] - b.dataset[key])));
});
document.body.classList.add("scripted");
choose();
