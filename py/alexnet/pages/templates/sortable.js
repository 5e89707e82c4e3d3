for (const head of document.querySelectorAll(".sortable thead th")) {
  const button = document.createElement("button"); // reached by the keyboard too
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  head.addEventListener("click", () => {
    const column = head.cellIndex, body = head.closest("table").tBodies[0];
    const value = (row) => {
      const cell = row.cells[column], text = cell.dataset.value ?? cell.textContent.trim();
      return text !== "" && isFinite(parseFloat(text)) ? parseFloat(text) : text;
    };
    const up = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const order = (a, b) => typeof a === typeof b ? (a > b) - (a < b) : typeof a === "number" ? -1 : 1;
    const rows = [...body.rows].sort((a, b) => (up ? 1 : -1) * order(value(a), value(b)));
    body.append(...rows);
  });
}
