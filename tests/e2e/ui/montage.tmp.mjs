import { chromium } from '@playwright/test'
const [out, width, ...files] = process.argv.slice(2)
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
const page = await browser.newPage({ viewport: { width: (Number(width) + 8) * files.length, height: 500 } })
const { writeFileSync } = await import('node:fs')
const html = `/tmp/talk-montage.html`
writeFileSync(html, `<body style="margin:0;display:flex;gap:8px;background:#888;align-items:start">${files.map((f) => `<img src="file://${f}" width=${width}>`).join('')}`)
await page.goto('file://' + html)
await page.screenshot({ path: out, fullPage: true })
await browser.close()
