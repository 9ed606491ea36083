// What is wrong with how the page looks now: an empty list if nothing is.
(() => {
  const wrong = [];
  const name = (e) => `${e.localName}.${e.className?.baseVal ?? e.className} "${(e.textContent ?? "").trim().slice(0, 30)}"`;
  const shown = (e) => e.checkVisibility() && !e.closest(".sr, [aria-hidden=true] .lit, noscript");

  const page = document.documentElement;
  if (page.scrollWidth > innerWidth) wrong.push(`the page is ${page.scrollWidth} wide`);
  if (page.scrollHeight > innerHeight) wrong.push(`the page is ${page.scrollHeight} high`);
  const all = [...document.querySelectorAll("body > :not(noscript) *")].filter(shown);
  for (const e of all) {
    const box = e.getBoundingClientRect();
    if (box.width > 0 && (box.left < -1 || box.right > innerWidth + 1)) wrong.push(`${name(e)} is cut off: ${box.left} to ${box.right}`);
  }

  const rgb = (color) => color.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  for (const e of all) {
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!text || e.matches(":disabled, :disabled *, option")) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (e.matches(".rest") ? 3 : 4.5)) wrong.push(`${name(e)} has contrast ${contrast.toFixed(2)}`);
  }

  for (const e of document.querySelectorAll("button, input, select, summary")) {
    if (!shown(e)) continue;
    const label = e.getAttribute("aria-label") || e.labels?.[0]?.textContent.trim() || (e.localName !== "select" && e.textContent.trim());
    if (!label) wrong.push(`${name(e)} has no name`);
    if (e.getBoundingClientRect().height < (e.matches("summary") ? 20 : 44)) wrong.push(`${name(e)} is too low to touch`);
  }
  return wrong.join("; ");
})()
