"""Take the screenshots of the README: report pages of fixture runs, in a real browser.

    python docs/screenshots.py

wants selenium and Chromium with its driver. The pictures are written next to this file.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from selenium import webdriver

from coherence.cli.main import main as coherence

HERE = Path(__file__).parent
RUNS = HERE.parent / "fixtures" / "runs"
SHOTS = {"report-light.png": ("leak", "light", 1280, 1150), "report-dark.png": ("lr", "dark", 1280, 1150)}
DRAWN = "return !!document.querySelector('#chart svg') && run.samples.length > 0"


def main() -> int:
    """Write the page of each run and photograph it."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, (run, scheme, width, height) in SHOTS.items():
                page = Path(folder) / f"{run}.html"
                coherence(["audit", str(RUNS / run), "--html", str(page)])
                shoot(driver, page, HERE / name, scheme, width, height)
    finally:
        driver.quit()
    return 0


def shoot(driver: webdriver.Chrome, page: Path, to: Path, scheme: str, width: int, height: int) -> None:
    """Photograph a page as it looks in a window of that size, light or dark."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    driver.get(page.as_uri())
    end = time.monotonic() + 60
    while not driver.execute_script(DRAWN) and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(1)
    driver.save_screenshot(str(to))


if __name__ == "__main__":
    sys.exit(main())
