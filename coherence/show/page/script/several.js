// The page of several runs draws itself

async function openRuns() {
  const found = JSON.parse(await unpack("told"));
  drawRanking(found);
  addEventListener("resize", () => drawRunCurves(found.runs));
  watchForNewer();
}

openRuns();
