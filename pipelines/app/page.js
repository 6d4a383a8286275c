// The page's own few lines: light and dark, and the line that runs through the curves with the video.
(() => {
  const remembered = localStorage.getItem("flamecast-theme");
  const show = (dark) => document.body.classList.toggle("dark", dark);
  if (remembered) show(remembered === "dark");

  document.addEventListener("click", (event) => {
    if (event.target.closest("#theme")) {
      const dark = !document.body.classList.contains("dark");
      show(dark);
      localStorage.setItem("flamecast-theme", dark ? "dark" : "light");
    }
    const plot = event.target.closest("#curves .plot");
    const video = document.getElementById("made");
    if (plot && video && !event.target.closest(".key")) {
      const box = plot.getBoundingClientRect();
      const seconds = Number(plot.closest(".curves").dataset.seconds);
      video.currentTime = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * seconds;
    }
  });

  const follow = () => {
    const video = document.getElementById("made");
    const curves = document.querySelector("#curves .curves");
    if (video && curves) {
      const share = Math.min(video.currentTime / Number(curves.dataset.seconds), 1);
      curves.style.setProperty("--now", `${(100 * share).toFixed(2)}%`);
    }
    requestAnimationFrame(follow);
  };
  requestAnimationFrame(follow);
})();
