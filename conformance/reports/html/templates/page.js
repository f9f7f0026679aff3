(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("scripted");

  function all(selector, inside) {
    return Array.prototype.slice.call((inside || document).querySelectorAll(selector));
  }

  // The theme: as the system, light, dark.
  var themes = ["", "light", "dark"];
  var names = { "": "system", light: "light", dark: "dark" };
  var button = document.getElementById("theme");

  function stored() {
    try { return localStorage.getItem("conformance-theme") || ""; } catch (error) { return ""; }
  }

  function dress(theme) {
    if (theme) { root.dataset.theme = theme; } else { delete root.dataset.theme; }
    button.textContent = "Theme: " + names[theme];
    try { localStorage.setItem("conformance-theme", theme); } catch (error) { /* a page without storage */ }
  }

  dress(themes.indexOf(stored()) < 0 ? "" : stored());
  button.addEventListener("click", function () {
    dress(themes[(themes.indexOf(root.dataset.theme || "") + 1) % themes.length]);
  });

  // Filters: an element is hidden where one of its words is asked for, and it has another.
  var form = document.getElementById("filter");
  var words = ["operation", "output", "requirement"];
  var findings = all(".finding");

  function fits(element, name, wanted) {
    var of = element.dataset[name];
    return !wanted || of === undefined || of.split(" ").indexOf(wanted) >= 0;
  }

  function filter() {
    var text = form.elements.text.value.trim().toLowerCase();
    all("[data-operation], [data-output], [data-requirement], [data-text]").forEach(function (element) {
      var fitting = words.every(function (name) { return fits(element, name, form.elements[name].value); });
      var reads = !text || element.dataset.text === undefined || element.textContent.toLowerCase().indexOf(text) >= 0;
      element.hidden = !(fitting && reads);
    });
    all(".matrix").forEach(function (element) {
      if (element.dataset.operation === form.elements.operation.value) { element.open = true; }
    });
    var seen = findings.filter(function (element) { return !element.hidden; }).length;
    document.getElementById("shown").textContent =
      findings.length ? seen + " of " + findings.length + (findings.length === 1 ? " finding" : " findings") : "no findings";
    all(".none-shown").forEach(function (element) { element.hidden = seen > 0; });
  }

  form.addEventListener("input", filter);
  form.addEventListener("change", filter);
  form.addEventListener("reset", function () { setTimeout(filter); });
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  filter();

  // A link leads to what it names, also where a filter hides that.
  function follow() {
    var target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.closest("[hidden]")) {
      form.reset();
      filter();
      target.scrollIntoView();
    }
    var folded = target && target.closest("details.explained");
    if (folded) {
      folded.open = true;
      target.scrollIntoView();
    }
    if (target && target.classList.contains("finding")) { target.focus({ preventScroll: true }); }
  }

  window.addEventListener("hashchange", follow);
  follow();

  // Copying.
  function byHand(text) {
    var area = document.createElement("textarea");
    area.value = text;
    document.body.appendChild(area);
    area.select();
    var done = document.execCommand("copy");
    area.remove();
    return done;
  }

  function tell(button, done) {
    button.textContent = done ? "Copied" : "Not copied";
    setTimeout(function () { button.textContent = "Copy"; }, 1500);
  }

  all(".copy").forEach(function (each) {
    each.addEventListener("click", function () {
      var text = each.parentElement.querySelector("code").textContent;
      if (!navigator.clipboard) { tell(each, byHand(text)); return; }
      navigator.clipboard.writeText(text).then(
        function () { tell(each, true); },
        function () { tell(each, byHand(text)); }
      );
    });
  });

  // Two parameters, and how many cases each class of one has with each of the other.
  function made(tag, text, inside) {
    var element = document.createElement(tag);
    if (text !== undefined) { element.textContent = text; }
    if (inside) { inside.appendChild(element); }
    return element;
  }

  function table(of, pair) {
    var first = of.classes[pair[0]], second = of.classes[pair[1]];
    var result = document.createElement("table");
    made("caption", "Cases of " + of.operation + ": " + pair[0] + " (down) with " + pair[1] + " (across)", result);
    var head = made("tr", undefined, made("thead", undefined, result));
    made("td", "", head);
    second.forEach(function (name) { made("th", name, head).scope = "col"; });
    var body = made("tbody", undefined, result);
    first.forEach(function (name, i) {
      var row = made("tr", undefined, body);
      made("th", name, row).scope = "row";
      pair[2][i].forEach(function (count) {
        var level = [1, 10, 100, 1000].filter(function (least) { return count >= least; }).length;
        made("td", count.toLocaleString("en"), row).className = "h" + level;
      });
    });
    return result;
  }

  function choose(place, of) {
    var label = made("label", "Two parameters: ", place);
    var select = made("select", undefined, label);
    of.pairs.forEach(function (pair, i) { made("option", pair[0] + " with " + pair[1], select).value = i; });
    var shown = made("div", undefined, place);
    shown.className = "scroll";
    shown.setAttribute("role", "group");
    shown.setAttribute("aria-label", "Cases of two parameters of " + of.operation);
    function show() {
      shown.replaceChildren(table(of, of.pairs[select.value]));
      stops();
    }

    select.addEventListener("change", show);
    show();
  }

  var pairs = document.getElementById("pairs");
  if (pairs) {
    var counts = JSON.parse(pairs.textContent);
    all("[data-pairs]").forEach(function (place) { choose(place, counts[place.dataset.pairs]); });
  }

  // The keyboard stops at what can be scrolled, and nowhere else.
  function stops() {
    all(".scroll").forEach(function (each) {
      if (each.scrollWidth > each.clientWidth) { each.tabIndex = 0; } else { each.removeAttribute("tabindex"); }
    });
  }

  document.addEventListener("toggle", stops, true);
  window.addEventListener("resize", stops);
  stops();

  // On paper everything is open.
  window.addEventListener("beforeprint", function () {
    all("details").forEach(function (each) { each.open = true; });
  });
}());
