// Small helpers to build and keep DOM. Text only ever becomes text nodes and attribute values.

const SVG = 'http://www.w3.org/2000/svg';

/** The element of the page with this id. */
export const $ = (id) => document.getElementById(id);

/** Makes an element: `h('p', { class: 'x', onclick: f }, 'text', child, …)`. */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Makes an icon from the page's sprite. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Sets an element's text, touching the DOM only for a change. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const kept = new WeakMap();

/**
 * Makes the children of `parent` those of `items`, in that order, keeping the elements (and the
 * focus) of items that stay. An item is `{ key, sig, make(), update(element)? }`: `make` builds
 * the element, `update` is called on it at first and whenever `sig` has changed.
 */
export function reconcile(parent, items) {
  const before = kept.get(parent) ?? new Map();
  const after = new Map();
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  for (const item of items) {
    const held = before.get(item.key) ?? { element: item.make(), sig: undefined };
    if (held.sig !== item.sig) {
      item.update?.(held.element);
      held.sig = item.sig;
    }
    before.delete(item.key);
    after.set(item.key, held);
  }
  for (const { element } of before.values()) element.remove();
  let place = parent.firstChild;
  for (const { element } of after.values()) {
    if (element === place) place = place.nextSibling;
    else parent.insertBefore(element, place);
  }
  kept.set(parent, after);
  if (focused && focused !== document.activeElement && parent.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}
