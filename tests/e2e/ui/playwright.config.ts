// Debian's Chromium, because it is there and because it is what people have; one server per test file, in turn.

import { existsSync } from 'node:fs'
import { defineConfig } from '@playwright/test'

const found = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const executablePath = found.find((path) => path && existsSync(path))
if (!executablePath) throw new Error('there is no Chromium: apt-get install chromium, or say where in CHROMIUM')

const launchOptions = { executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] }

export default defineConfig({
  testDir: '.',
  outputDir: '../../../target/e2e-ui/results',
  workers: 1,
  fullyParallel: false,
  timeout: 90_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  use: { launchOptions, actionTimeout: 30_000, locale: 'en-GB', timezoneId: 'UTC', trace: 'retain-on-failure' },
  projects: [
    { name: 'phone', use: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 } },
    { name: 'desktop', use: { viewport: { width: 1440, height: 900 } } },
  ],
})
