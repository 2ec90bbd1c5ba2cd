
"use strict";
const root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)");
const recall = () => { try { return localStorage.getItem("raygen-theme"); } catch { return null; } };
const keep = theme => { try { localStorage.setItem("raygen-theme", theme); } catch { /* private window: not remembered */ } };
const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
if (["dark", "light"].includes(recall())) root.dataset.theme = recall();

const value = cell => cell.textContent.trim().replace("\u2212", "-").replaceAll(",", "");
function sort(heading) {
  const table = heading.closest("table"), body = table.tBodies[0], column = heading.cellIndex;
  const rows = [...body.rows], texts = rows.map(row => value(row.cells[column])).filter(text => text !== "");
  const isNumber = texts.every(text => !isNaN(text));
  const before = heading.getAttribute("aria-sort");
  const order = before ? (before === "descending" ? "ascending" : "descending") : isNumber ? "descending" : "ascending";
  const sign = order === "ascending" ? 1 : -1;
  rows.sort((a, b) => {
    const [x, y] = [value(a.cells[column]), value(b.cells[column])];
    if (x === "" || y === "") return (x === "") - (y === "");  // empty cells last
    return sign * (isNumber ? x - y : x.localeCompare(y, undefined, { numeric: true }));
  });
  for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", order);
  body.append(...rows);
}

document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  const show = () => button.setAttribute("aria-pressed", dark());
  button.hidden = false;
  show();
  system.addEventListener("change", show);
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; keep(root.dataset.theme); show(); });
  for (const heading of document.querySelectorAll("table.sortable thead th"))
    heading.querySelector("button").addEventListener("click", () => sort(heading));
});
