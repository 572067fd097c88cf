// Shows later ticks without a reload, and times in the zone of the browser.
(function () {
  "use strict";
  var live = document.getElementById("live"), main = document.querySelector("main");
  var part = new URLSearchParams(location.search);
  part.set("part", "main");
  var source = null, timer = null, waiting = null, busy = false;

  function localize() {
    document.querySelectorAll("time").forEach(function (t) {
      var at = new Date(t.dateTime);
      t.title = at.toISOString().replace("T", " ").replace(/\..*/, " UTC");
      t.textContent = at.toLocaleString([], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
    });
    document.querySelectorAll("text[data-time]").forEach(function (t) {
      var at = new Date(t.dataset.time);
      t.textContent = /:/.test(t.textContent) ? at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
        : at.toLocaleDateString([], { weekday: "short", month: "short", day: "numeric" });
    });
  }

  // A form that somebody fills in stays as it is.
  function editing() {
    var d = main.querySelector("details[open]");
    return d !== null;
  }

  // stops are where the Tab key stops in the part of the page that is replaced.
  function stops() {
    return Array.prototype.slice.call(main.querySelectorAll("summary,button,input,select,[tabindex]"));
  }

  function update() {
    if (busy) return;
    if (editing()) {
      live.textContent = "Not updated while the form is open.";
      return;
    }
    busy = true;
    fetch("?" + part, { cache: "no-store", credentials: "same-origin" }).then(function (r) {
      if (!r.ok) throw new Error("status " + r.status);
      return r.text();
    }).then(function (text) {
      if (editing()) return;
      // What has the focus keeps it.
      var at = stops().indexOf(document.activeElement);
      main.innerHTML = text;
      localize();
      if (at >= 0 && stops()[at]) stops()[at].focus({ preventScroll: true });
      live.textContent = source ? "Live." : "Updated every 5 seconds.";
    }).catch(function () {
      live.textContent = "The service does not answer. What you see is old.";
    }).then(function () { busy = false; });
  }

  function poll() {
    if (timer === null) timer = setInterval(update, 5000);
  }

  function stop() {
    if (source) source.close();
    source = null;
    clearInterval(timer);
    clearTimeout(waiting);
    timer = null;
  }

  function start() {
    stop();
    source = new EventSource("events" + location.search);
    // Middleware may hold the events back. Then poll.
    waiting = setTimeout(function () { stop(); poll(); update(); }, 10000);
    source.addEventListener("ready", function () { clearTimeout(waiting); });
    source.onopen = function () { live.textContent = "Live."; update(); };
    source.addEventListener("tick", update);
    source.onerror = function () {
      if (source && source.readyState === EventSource.CLOSED) { // no stream to be had
        stop();
        poll();
      }
    };
  }

  // A hidden page needs no stream: a browser has six connections for all of them.
  document.addEventListener("visibilitychange", function () {
    if (document.hidden) { stop(); } else { start(); update(); }
  });
  localize();
  live.textContent = "Connecting.";
  if (!document.hidden) start();
})();
