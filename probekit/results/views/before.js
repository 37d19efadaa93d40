// Runs before bertviz's script: stands in for its loader and hands it the numbers that the page carries.
(function () {
  "use strict";
  const page = JSON.parse(document.getElementById("data").textContent);
  const names = page.tokens;
  const border = page.sentence_b;
  const zeros = function (rows, columns) {
    return new Array(rows).fill(new Array(columns).fill(0));
  };
  const scaled = function (matrix, parts) {
    return matrix.map(function (row) {
      return row.map(function (number) { return number / parts; });
    });
  };
  // a head that is not carried: no lines in the model view, lines of weight 0 elsewhere
  const blank = page.view === "model" ? [] : zeros(names.length, names.length);
  const weights = page.weights.map(function (layer) {
    return layer.map(function (head) { return head ? scaled(head, 1000) : blank; });
  });
  const cut = function (from, to, left, right) {
    return weights.map(function (layer) {
      return layer.map(function (head) {
        return head.slice(left[0], left[1]).map(function (row) { return row.slice(right[0], right[1]); });
      });
    });
  };
  const texts = { a: [0, border], b: [border, names.length] };
  const pairs = border === null ? [] : [["a", "a"], ["a", "b"], ["b", "a"], ["b", "b"]];
  const parts = [{ name: "All", attn: weights, left_text: names, right_text: names }];
  pairs.forEach(function (pair) {
    const left = texts[pair[0]], right = texts[pair[1]];
    parts.push({
      name: "Text " + pair[0].toUpperCase() + " \u2192 text " + pair[1].toUpperCase(),
      attn: cut(pair[0], pair[1], left, right),
      left_text: names.slice(left[0], left[1]),
      right_text: names.slice(right[0], right[1])
    });
  });
  if (page.view === "neuron") {
    const vectors = function (found) {
      const empty = zeros(names.length, page.dim);
      return found.map(function (layer) {
        return layer.map(function (head) { return head ? scaled(head, 100) : empty; });
      });
    };
    const only = function (found, span) {
      return found.map(function (layer) {
        return layer.map(function (head) { return head.slice(span[0], span[1]); });
      });
    };
    const queries = vectors(page.queries), keys = vectors(page.keys);
    parts.forEach(function (part, i) {
      part.queries = i ? only(queries, texts[pairs[i - 1][0]]) : queries;
      part.keys = i ? only(keys, texts[pairs[i - 1][1]]) : keys;
    });
  }
  const filter = document.getElementById("filter");
  parts.forEach(function (part, i) { filter.append(new Option(part.name, String(i))); });
  document.getElementById("filters").hidden = parts.length === 1;

  // bertviz computes with the number of a layer and writes its name
  const named = page.layers.map(function (name, i) {
    return { [Symbol.toPrimitive]: function (hint) { return hint === "number" ? i : name; } };
  });
  const chosen = page.chosen;
  window.bertviz_params = {
    attention: parts,
    default_filter: "0",
    root_div_id: "view",
    display_mode: "light",
    bidirectional: page.bidirectional,
    layer: chosen ? chosen[0] : null,
    head: chosen ? chosen[1] : null,
    heads: chosen ? [chosen[1]] : null,
    include_layers: page.view === "model" ? named : page.layers.map(function (_, i) { return i; }),
    include_heads: page.heads,
    total_heads: page.heads.length
  };
  window.probekit_page = page;
  window.requirejs = function (_, begin) { begin(window.jQuery, window.d3); };
})();
