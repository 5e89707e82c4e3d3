for (const head of document.querySelectorAll(".sortable thead th")) {
  head.addEventListener("click", () => {
    const column = head.cellIndex, body = head.closest("table").tBodies[0];
    const value = (row) => {
      const cell = row.cells[column], text = cell.dataset.value ?? cell.textContent.trim();
      return text !== "" && isFinite(parseFloat(text)) ? parseFloat(text) : text;
    };
    const up = head.dataset.up !== "true";
    head.dataset.up = up;
    const order = (a, b) => typeof a === typeof b ? (a > b) - (a < b) : typeof a === "number" ? -1 : 1;
    const rows = [...body.rows].sort((a, b) => (up ? 1 : -1) * order(value(a), value(b)));
    body.append(...rows);
  });
}
