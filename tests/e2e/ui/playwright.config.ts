// Debian's Chromium, because it is there and because it is what people have; one server per test file. Two files run side by
// side: a test waits more than it works, and each file has its own server, ports, data and browser pages.
//
// Whatever could look or be touched differently on a phone runs on both projects, and so do all pictures. What proves the
// state behind the screen (the log, the outbox, the service worker, a race, what a role may see) cannot come out otherwise
// there: such a test has the tag `@once` and runs on the desktop only.

import { existsSync } from 'node:fs'
import { defineConfig } from '@playwright/test'

const found = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const executablePath = found.find((path) => path && existsSync(path))
if (!executablePath) throw new Error('there is no Chromium: apt-get install chromium, or say where in CHROMIUM')

const launchOptions = { executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] }

export default defineConfig({
  testDir: '.',
  outputDir: '../../../target/e2e-ui/results',
  workers: 2,
  fullyParallel: false,
  // Beside builds and another file a test of many steps takes ten times what it takes alone.
  timeout: 120_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  use: {
    launchOptions,
    actionTimeout: 30_000,
    locale: 'en-GB',
    timezoneId: 'UTC',
    // Without a film of every page, which is a quarter of all the work: what was on the page is in the trace all the same.
    trace: { mode: 'retain-on-failure', screenshots: false },
    screenshot: 'only-on-failure',
  },
  projects: [
    { name: 'phone', grepInvert: /@once/, use: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 } },
    { name: 'desktop', use: { viewport: { width: 1440, height: 900 } } },
  ],
})
