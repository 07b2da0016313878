// What those do who look after a server: keys, devices, machines, storage, audit.

import { expect, test, type Page } from '@playwright/test'
import { Agent } from './agent'
import { machine } from './scenes'
import { Server } from './server'
import { accessible, another, link, signedIn } from './steps'

const PHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604'

let server: Server
const agents: Agent[] = []

test.beforeAll(async () => {
  server = await Server.start()
})

test.afterAll(async () => {
  agents.forEach((agent) => agent.end())
  await server.end()
})

async function at(page: Page, tab: string): Promise<void> {
  await page.goto(`${server.url}/code/admin/${tab}`)
  await expect(page.getByRole('navigation', { name: 'Administration' }).locator('[aria-current]')).toBeVisible()
}

const row = (page: Page, text: string) => page.locator('.admin li').filter({ hasText: text })

test('a key is made, shown once, used by a phone, and revoked with what stops', async ({ page, browser }) => {
  await signedIn(server, page)
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByRole('button', { name: 'Administration' }).click()
  await page.getByRole('button', { name: 'New key' }).click()
  await page.getByLabel('Name').fill('Anna’s laptop')
  await page.getByLabel('Role').selectOption('viewer')
  await page.getByLabel('Good for', { exact: true }).selectOption('30')
  await accessible(page)
  await page.getByRole('button', { name: 'Make the key' }).click()
  const made = page.getByRole('region', { name: 'The key “Anna’s laptop” is made' })
  const secret = (await made.locator('pre').first().innerText()).trim()
  expect(secret).toMatch(/^rcs_/)
  await made.getByText('For the command line').click()
  await expect(made).toContainText(`export RCS_API_KEY=${secret}`)
  await expect(made.getByText('For ccb')).toHaveCount(0)
  await made.getByRole('button', { name: 'Let a phone in' }).click()
  await expect(made.getByRole('img', { name: 'QR' })).toBeVisible()
  await accessible(page)
  const url = (await made.getByLabel('Copy the link').innerText()).trim()
  await made.getByRole('button', { name: 'I have kept it' }).click()
  expect(await page.content()).not.toContain(secret)
  // Whoever scans it acts for the new key and not for ours.
  const context = await browser.newContext({ userAgent: PHONE, viewport: { width: 390, height: 844 } })
  const phone = await context.newPage()
  await phone.goto(url)
  await phone.goto(`${server.url}/code/devices`)
  await expect(phone.getByText('Signed in with the key “Anna’s laptop” (Viewer)')).toBeVisible()
  await expect(phone.getByRole('link', { name: 'API keys' })).toHaveCount(0)
  await accessible(phone)
  await page.reload()
  await expect(row(page, 'Anna’s laptop')).toContainText('Viewer')
  await expect(row(page, 'Anna’s laptop')).toContainText('good until')
  await page.getByRole('button', { name: 'Revoke: Anna’s laptop' }).click()
  const asked = page.getByRole('dialog')
  await expect(asked).toContainText('stops at once')
  await expect(asked).toContainText('1 browser is signed in with it')
  await accessible(page)
  await asked.getByRole('button', { name: 'Cancel' }).click()
  await expect(page.getByRole('button', { name: 'Revoke: Anna’s laptop' })).toBeVisible()
  await page.getByRole('button', { name: 'Revoke: Anna’s laptop' }).click()
  await asked.getByRole('button', { name: 'Revoke' }).click()
  await page.getByText('1 revoked or expired').click()
  await expect(row(page, 'Anna’s laptop')).toContainText('revoked just now')
  await phone.reload()
  await expect(phone.getByRole('heading', { name: 'Sign in' })).toBeVisible()
  await context.close()
})

test('a member sees their own keys and none of what an admin does', async ({ page }) => {
  const made = await server.ask('POST', '/api/v1/keys', { name: 'bob', owner: 'new' })
  await page.goto(`${server.url}/code/`)
  await page.getByLabel('API key').fill(made.secret)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('banner')).toBeVisible()
  await at(page, 'keys')
  await expect(row(page, 'bob')).toBeVisible()
  await expect(page.getByText('admin', { exact: true })).toHaveCount(0)
  await expect(page.getByText('Signing keys')).toHaveCount(0)
  for (const name of ['Storage', 'Audit']) await expect(page.getByRole('link', { name })).toHaveCount(0)
  await page.getByRole('button', { name: 'New key' }).click()
  await expect(page.getByLabel('Role').locator('option')).toHaveText(['Viewer', 'Runner', 'Member'])
  await expect(page.getByLabel('Acts for')).toHaveCount(0)
  // An address that is not theirs shows what is.
  await at(page, 'audit')
  await expect(page.getByRole('link', { name: 'API keys' })).toHaveAttribute('aria-current', 'page')
})

test('a device is renamed, let in by a QR code, and signed out', async ({ page, browser }) => {
  await signedIn(server, page)
  const phone = await another(server, browser, PHONE)
  await at(page, 'devices')
  await page.getByRole('button', { name: 'Rename: Safari, iPhone' }).click()
  await page.getByRole('dialog').getByRole('textbox').fill('Kitchen phone')
  await page.getByRole('dialog').getByRole('button', { name: 'OK' }).click()
  await expect(row(page, 'Kitchen phone')).toContainText('Used just now')
  await page.reload()
  await expect(row(page, 'Kitchen phone')).toBeVisible()
  await page.getByRole('button', { name: 'Add a device' }).click()
  await expect(page.getByRole('img', { name: 'QR' })).toBeVisible()
  await expect(page.getByText('good for 10 minutes')).toBeVisible()
  await accessible(page)
  const box = await page.getByRole('img', { name: 'QR' }).boundingBox()
  expect(box!.width).toBeGreaterThan(180)
  expect(box!.x + box!.width).toBeLessThanOrEqual(page.viewportSize()!.width)
  await row(page, 'Kitchen phone').getByRole('button', { name: 'Sign out' }).click()
  await page.locator('.old summary').click()
  await expect(row(page, 'Kitchen phone')).toContainText('Signed out just now')
  await phone.page.reload()
  await expect(phone.page.getByRole('heading', { name: 'Sign in' })).toBeVisible()
  await phone.context.close()
})

test('machines show what waits on them, and work is handed out again', async ({ page }) => {
  const laptop = await machine(server, 'laptop', '/home/dev/shop', 'fix-total')
  const gone = await machine(server, 'old-desktop', '/srv/x', 'main')
  await server.ask('DELETE', `/v1/environments/bridge/${gone}`)
  await server.ask('POST', '/api/v1/sessions', { title: 'Tidy the shop', environment_id: laptop })
  await signedIn(server, page)
  await at(page, 'machines')
  const shown = row(page, 'laptop').first()
  await expect(shown).toContainText('online since')
  await expect(shown).toContainText('1 queued')
  await shown.locator('summary').click()
  await expect(shown).toContainText('fix-total')
  await expect(shown).toContainText('1 of 4')
  await expect(shown.getByRole('link', { name: 'Tidy the shop' }).first()).toBeVisible()
  await accessible(page)
  await expect(page.getByText('old-desktop')).toHaveCount(0)
  await page.getByRole('button', { name: 'Show machines that signed off' }).click()
  await expect(row(page, 'old-desktop').first()).toContainText('signed off')
})

test('storage is verified, backed up and accounted for', async ({ page }) => {
  await signedIn(server, page)
  await at(page, 'storage')
  await expect(page.getByText('Everything, for ever')).toBeVisible()
  await expect(page.getByText('None was downloaded')).toBeVisible()
  await accessible(page)
  await page.getByRole('button', { name: 'Verify now' }).click()
  await expect(page.getByText(/Clean: \d+ records in \d+ commits/)).toBeVisible()
  const head = await page.getByLabel('Head of the chain').innerText()
  expect(head.trim()).toMatch(/^[0-9a-f]{64}$/)
  expect(await page.locator('.commits li').count()).toBeGreaterThan(2)
  const download = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Download a backup' }).click()
  const file = await download
  expect(file.suggestedFilename()).toMatch(/^rcs-.*\.redb$/)
  expect(await file.failure()).toBeNull()
  await page.reload()
  await expect(page.getByText(/Last downloaded just now/)).toBeVisible()
})

test('the audit says who did what, of one session or of one device', async ({ page }) => {
  const agent = await Agent.begin(server, 'Audited work')
  agents.push(agent)
  await agent.say('hello')
  await signedIn(server, page)
  await at(page, 'audit')
  await expect(page.locator('.audit li').first()).toBeVisible()
  await accessible(page)
  await page.getByLabel('About').selectOption({ label: 'Audited work' })
  await expect(page.locator('.audit li').filter({ hasText: 'session created' })).toHaveCount(1)
  await expect(page.locator('.audit li').filter({ hasText: 'key created' })).toHaveCount(0)
  await page.locator('.audit summary').first().click()
  await expect(page.locator('.audit pre').first()).toContainText('payload_bytes')
  await accessible(page)
  await page.getByLabel('About').selectOption('')
  const me = await page.evaluate(async () => (await (await fetch('/api/v1/me', { headers: { 'rcs-app': '1' } })).json()) as { device: { id: string } })
  await page.getByLabel('Who').selectOption(me.device.id)
  await expect(page.locator('.audit li').filter({ hasText: 'device signed in' })).toHaveCount(1)
  await expect(page.locator('.audit li').filter({ hasText: 'session created' })).toHaveCount(0)
})

test('subscriptions are listed', async ({ page }) => {
  await server.ask('PUT', '/v1/stream/jobs', undefined).catch(() => undefined)
  await signedIn(server, page)
  await at(page, 'streams')
  await expect(page.getByText('There are no subscriptions.')).toBeVisible()
  await accessible(page)
})

test('administration is done with the keyboard alone, zoomed, and without motion', async ({ page }, info) => {
  await page.emulateMedia({ reducedMotion: 'reduce' })
  await signedIn(server, page)
  await at(page, 'keys')
  const make = page.getByRole('button', { name: 'New key' })
  for (let steps = 0; steps < 60 && !(await make.evaluate((element) => element === document.activeElement)); steps++) await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.keyboard.type('by keyboard')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('heading', { name: 'The key “by keyboard” is made' })).toBeFocused()
  // As much as a phone at 200 %, or a desktop at 400 %.
  await page.setViewportSize({ width: info.project.name === 'phone' ? 195 : 360, height: 600 })
  for (const tab of ['keys', 'devices', 'machines', 'streams', 'storage', 'audit']) {
    await at(page, tab)
    await expect(page.getByText('Loading…')).toHaveCount(0)
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    expect(beyond, tab).toBeLessThanOrEqual(0)
    const running = await page.evaluate(() => document.getAnimations().filter((one) => Number(one.effect?.getTiming().duration) > 1).length)
    expect(running, tab).toBe(0)
  }
})

test('sign-in says in honest words what is wrong with a link, a key, and too many tries', async ({ page }) => {
  const used = await link(server)
  await page.goto(used)
  await expect(page).toHaveURL(`${server.url}/code/`)
  await page.context().clearCookies()
  await page.goto('about:blank')
  await page.goto(used)
  await expect(page.getByRole('alert')).toContainText('was used or is too old')
  await accessible(page)
  const runner = await server.ask('POST', '/api/v1/keys', { name: 'box', role: 'runner' })
  const enter = async (key: string) => {
    await page.getByLabel('API key').fill(key)
    await page.getByRole('button', { name: 'Sign in' }).click()
  }
  await enter(runner.secret)
  await expect(page.getByRole('alert')).toContainText('belongs to a machine')
  await enter('guess')
  await expect(page.getByRole('alert')).toContainText('not a valid key')
  // Somebody else behind the same address.
  const tries = Array.from({ length: 100 }, () => server.ask('POST', '/api/v1/login', { key: 'guess' }, 'guess').catch(() => null))
  await Promise.all(tries)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('alert')).toContainText('Too many attempts')
  await accessible(page)
})
