// The document: nodes, the parts that every view has, and making what is there equal to what should be.
//
// Not here: what is shown, and how numbers are written. Invariant: whatever came from a model or a client becomes text,
// never markup, and hides nothing: every node is made by `element` or `drawing`, every text by `createTextNode` of
// what `visible` makes of it. It imports nothing.

export const element = (name, attributes, ...children) => made(document.createElement(name), attributes, children);
export const drawing = (name, attributes, ...children) =>
  made(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);

function made(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") node.onclick = value;
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...nodes(children));
  return node;
}

const nodes = (children) =>
  [children]
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "")
    .map((child) => (child instanceof Node ? child : document.createTextNode(visible(String(child)))));

// Characters that show nothing, or turn the text around, as their code: evidence must not hide anything.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
export const visible = (text) =>
  text.replace(HIDDEN, (each) => (each === "\n" || each === "\t" ? each : `\\u{${each.codePointAt(0).toString(16)}}`));

// Make what is there equal to what should be, node by node, so that focus, selection and scrolling stay where they are.
export const show = (id, content) => matchChildren(document.getElementById(id), nodes([content]));

function matchChildren(there, children) {
  children.forEach((child, index) => {
    let known = there.childNodes[index];
    const key = child.dataset?.key;
    if (key !== undefined && known?.dataset?.key !== key) {
      const moved = [...there.childNodes].slice(index).find((each) => each.dataset?.key === key);
      if (moved) known = there.insertBefore(moved, known);
    }
    if (!known) there.append(child);
    else if (known.nodeName !== child.nodeName || known.dataset?.key !== key) known.replaceWith(child);
    else match(known, child);
  });
  while (there.childNodes.length > children.length) there.lastChild.remove();
}

function match(there, child) {
  if (child.nodeType === Node.TEXT_NODE) {
    if (there.data !== child.data) there.data = child.data;
    return;
  }
  const stays = (name) => name === "open"; // a reader opens and closes details
  for (const { name } of [...there.attributes])
    if (!child.hasAttribute(name) && !stays(name)) there.removeAttribute(name);
  for (const { name, value } of child.attributes)
    if (there.getAttribute(name) !== value && !stays(name)) there.setAttribute(name, value);
  there.onclick = child.onclick;
  matchChildren(there, [...child.childNodes]);
}

// Parts of a view

export const heading = (text) => element("h2", { tabindex: -1, id: "title" }, text);
export const back = (href = "#", name = "all vendors") =>
  element("p", { class: "back" }, element("a", { href }, `← ${name}`));

export const facts = (pairs) =>
  element(
    "dl",
    { class: "facts" },
    pairs
      .filter(([, value]) => value !== undefined && value !== null)
      .map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))),
  );

// The roles are written out: on a narrow screen the style takes the table's layout away, and with it its meaning.
export const table = (classes, caption, columns, bodies) =>
  element(
    "table",
    { class: classes, role: "table" },
    element("caption", { class: "unseen" }, caption),
    element(
      "thead",
      { role: "rowgroup" },
      element(
        "tr",
        { role: "row" },
        columns.map((name) => element("th", { role: "columnheader", scope: "col", "data-column": name }, name)),
      ),
    ),
    bodies,
  );

export const cells = (columns, values, attributes = {}, header = -1) =>
  element(
    "tr",
    { role: "row", ...attributes },
    values.map((value, index) =>
      element(
        index === header ? "th" : "td",
        {
          role: index === header ? "rowheader" : "cell",
          scope: index === header ? "row" : null,
          "data-column": columns[index],
        },
        value,
      ),
    ),
  );

export const figure = (name, value, drawn) =>
  element(
    "figure",
    {},
    element("figcaption", {}, element("span", { class: "quiet" }, name), " ", element("strong", {}, value)),
    drawn,
  );
