// Runs after bertviz's script: the selectors say the names of layers and heads, and which heads the page carries.
(function () {
  "use strict";
  const page = window.probekit_page;
  const drawing = document.getElementById("vis");
  const layers = document.getElementById("layer");
  const heads = document.getElementById("att_head");
  const carried = function (head) { return page.weights[layers.selectedIndex][head] !== 0; };

  const rename = function (select, name) {
    Array.from(select.options).forEach(function (option, i) { option.text = name(i); });
  };
  const nameHeads = function () {
    rename(heads, function (i) { return page.heads[i] + (carried(i) ? "" : " (not carried)"); });
  };
  // bertviz's head view tells heads apart by colour alone, and its colours repeat after ten
  const numberSquares = function () {
    const svg = drawing.querySelector("svg");
    if (!svg) { return; }
    Array.from(svg.lastElementChild.querySelectorAll("rect")).forEach(function (square, i) {
      const label = document.createElementNS("http://www.w3.org/2000/svg", "text");
      label.setAttribute("class", "number");
      label.setAttribute("x", String(i * 20 + 10));
      label.setAttribute("y", "14");
      label.textContent = page.heads[i];
      square.parentNode.append(label);
      if (!carried(i)) { square.setAttribute("class", "absent"); label.setAttribute("class", "number absent"); }
    });
  };

  // a long word on the left would begin outside the drawing
  const wide = function (name) {
    return Array.from(name).reduce(function (sum, letter) { return sum + (letter.codePointAt(0) < 0x2e80 ? 8.4 : 15); }, 0);
  };
  const longest = Math.max.apply(null, page.tokens.map(wide));
  if (page.view !== "model") { drawing.style.paddingLeft = Math.max(0, Math.ceil(longest - 100)) + "px"; }

  if (page.view !== "model") { rename(layers, function (i) { return page.layers[i]; }); }
  if (page.view === "neuron") {
    nameHeads();
    layers.addEventListener("change", nameHeads);
  }
  if (page.view === "head") {
    numberSquares();
    new MutationObserver(numberSquares).observe(drawing, { childList: true });
  }
})();
