// The app as an app: its shell and a newer one, installing, the badge, what others share with it, its looks and its keys.

import { createServer, request, type Server as Front } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test, type Page } from '@playwright/test'
import { begin, server, stage } from './stage'
import { accessible, IPHONE, link, open, signedIn } from './steps'

stage()

const inCharge = (page: Page) => page.evaluate(async () => {
  await navigator.serviceWorker.ready
  if (!navigator.serviceWorker.controller) await new Promise((resolve) => navigator.serviceWorker.addEventListener('controllerchange', resolve, { once: true }))
})

const shells = (page: Page) => page.evaluate(async () => (await caches.keys()).filter((name) => name.startsWith('shell')))

/** The server behind something that can serve another version of the shell. */
async function fronted(): Promise<{ front: Front; url: string; renew: () => void }> {
  let isNewer = false
  const front = createServer((asked, answer) => {
    const headers = { ...asked.headers, 'accept-encoding': 'identity' }
    // There would be no text to change in the answer that it is as it was.
    delete headers['if-none-match']
    const behind = request({ host: '127.0.0.1', port: server.port, path: asked.url, method: asked.method, headers }, (found) => {
      if (!isNewer || asked.url !== '/code/sw.js') {
        answer.writeHead(found.statusCode!, found.headers)
        found.pipe(answer)
        return
      }
      let text = ''
      found.setEncoding('utf8').on('data', (piece: string) => (text += piece)).on('end', () => {
        answer.writeHead(200, { 'content-type': 'text/javascript', 'cache-control': 'no-cache' })
        answer.end(text.replace(/const VERSION = "\w+"/, 'const VERSION = "newer"'))
      })
    })
    behind.on('error', () => answer.destroy())
    asked.pipe(behind)
  })
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  return { front, url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`, renew: () => (isNewer = true) }
}

test('a newer version waits until it is wanted, and no draft is lost with it', { tag: '@once' }, async ({ page }) => {
  const { front, url, renew } = await fronted()
  const agent = await begin('A long draft')
  await page.goto((await link(server)).replace(server.url, url))
  await expect(page).toHaveURL(`${url}/code/`)
  await inCharge(page)
  await page.goto(`${url}/code/${agent.id}`)
  await page.getByLabel('Message to the agent').fill('half a thought')
  await expect(page.getByText('A new version is there.')).toHaveCount(0)
  renew()
  await page.evaluate(async () => (await navigator.serviceWorker.getRegistration())!.update())
  await expect(page.getByText('A new version is there.')).toBeVisible()
  await accessible(page)
  // It waits: nothing was taken away from the page that is open.
  expect(await shells(page)).toHaveLength(2)
  const loaded = page.waitForEvent('load')
  await page.getByRole('button', { name: 'Reload' }).click()
  await loaded
  await expect(page.getByLabel('Message to the agent')).toHaveValue('half a thought')
  await expect(page.getByText('A new version is there.')).toHaveCount(0)
  await expect.poll(() => shells(page)).toEqual(['shell-newer'])
  front.closeAllConnections()
  front.close()
})

test('the whole shell is there without a network, administration included, and nothing of the API', { tag: '@once' }, async ({ page, context }) => {
  await signedIn(server, page)
  await inCharge(page)
  const kept = await page.evaluate(async () => {
    const found: string[] = []
    for (const name of await caches.keys()) for (const one of await (await caches.open(name)).keys()) found.push(new URL(one.url).pathname)
    return found
  })
  expect(kept.filter((path) => path.startsWith('/api/'))).toEqual([])
  expect(kept).toContain('/code/manifest.webmanifest')
  await context.setOffline(true)
  await page.goto(`${server.url}/code/admin/keys`)
  await expect(page.getByText('No connection')).toBeVisible()
  await context.setOffline(false)
  await expect(page.getByRole('button', { name: 'New key' })).toBeVisible()
})

test('the manifest has what an installed app needs', { tag: '@once' }, async ({ page }) => {
  await page.goto(`${server.url}/code/`)
  const manifest = await page.evaluate(async () => (await fetch(document.querySelector<HTMLLinkElement>('link[rel="manifest"]')!.href)).json())
  expect(manifest).toMatchObject({ id: '/code/', scope: '/code/', start_url: '/code/', display: 'standalone' })
  expect(manifest.icons.some((icon: { purpose?: string }) => icon.purpose === 'maskable')).toBe(true)
  expect(manifest.shortcuts.map((one: { url: string }) => one.url)).toEqual(['/code/new', '/code/waiting'])
  for (const icon of manifest.icons) {
    const answer = await page.request.get(new URL(icon.src, `${server.url}/code/manifest.webmanifest`).href)
    expect(answer.headers()['content-type']).toBe(icon.type)
  }
  // Chromium's own opinion of it.
  const session = await page.context().newCDPSession(page)
  const { errors } = await session.send('Page.getAppManifest')
  expect(errors).toEqual([])
})

test('installing is offered when somebody asks, and told where it cannot be', async ({ page, browser }) => {
  await signedIn(server, page)
  await page.evaluate(() => {
    const offer = Object.assign(new Event('beforeinstallprompt', { cancelable: true }), {
      prompt: async () => document.body.setAttribute('data-prompted', ''),
      userChoice: Promise.resolve({ outcome: 'accepted' }),
    })
    dispatchEvent(offer)
    if (!offer.defaultPrevented) throw new Error('the browser would ask by itself')
  })
  expect(await page.locator('[data-prompted]').count()).toBe(0)
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByRole('button', { name: 'Install the app' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Install' }).click()
  await expect(page.locator('[data-prompted]')).toHaveCount(1)
  await page.getByRole('button', { name: 'Menu' }).click()
  await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Install the app' })).toHaveCount(0)
  const context = await browser.newContext({ userAgent: IPHONE })
  const phone = await context.newPage()
  await signedIn(server, phone)
  await phone.getByRole('button', { name: 'Menu' }).click()
  await phone.getByRole('button', { name: 'Install the app' }).click()
  await expect(phone.getByRole('dialog')).toContainText('Add to Home Screen')
  await context.close()
})

test('the badge counts what waits, and goes with it', { tag: '@once' }, async ({ page }) => {
  await page.addInitScript(() => {
    Object.defineProperty(navigator, 'setAppBadge', { value: async (n: number) => document.documentElement.setAttribute('data-badge', String(n)) })
  })
  await signedIn(server, page)
  const badge = () => page.evaluate(() => document.documentElement.dataset.badge)
  await expect.poll(badge).toBe('0')
  const agent = await begin('Asks for the badge')
  await agent.ask('Bash', { command: 'ls' })
  await expect.poll(badge).toBe('1')
  await open(server, page, agent)
  await page.getByRole('button', { name: 'Allow once' }).click()
  await expect.poll(badge).toBe('0')
})

test('what another app shares becomes the draft of a session, and is not sent', async ({ page }) => {
  const agent = await begin('Look into the failure')
  await signedIn(server, page)
  const shared = new URLSearchParams({ title: 'CI run 812', text: 'It fails: https://ci.test/812', url: 'https://ci.test/812' })
  await page.goto(`${server.url}/code/share?${shared}`)
  await expect(page.locator('.shared')).toHaveText('CI run 812\nIt fails: https://ci.test/812')
  expect(new URL(page.url()).search).toBe('')
  await accessible(page)
  await page.getByRole('main').getByRole('button', { name: /Look into the failure/ }).click()
  await expect(page.getByLabel('Message to the agent')).toHaveValue('CI run 812\nIt fails: https://ci.test/812')
  expect(agent.prompts).toEqual([])
  await page.goto(`${server.url}/code/share`)
  await expect(page.getByText('Nothing was shared.')).toBeVisible()
  await page.goto(`${server.url}/code/share?text=${encodeURIComponent('<img src=x onerror=alert(1)>')}`)
  await expect(page.locator('.shared')).toHaveText('<img src=x onerror=alert(1)>')
})

test('the shortcut of the home screen opens what waits', async ({ page }) => {
  const agent = await begin('Waits for the shortcut')
  await agent.ask('Bash', { command: 'make release' })
  await signedIn(server, page)
  await page.goto(`${server.url}/code/waiting`)
  await expect(page.getByRole('log')).toBeVisible()
  await expect(page.getByRole('region', { name: 'The agent asks' })).toContainText('make release')
  await page.getByRole('button', { name: 'Allow once' }).click()
  await expect(page.getByRole('region', { name: 'The agent asks' })).toHaveCount(0)
})

test('keys act from one table, are listed in both languages, and never while somebody types', async ({ page }) => {
  const first = await begin('Alpha work')
  const asking = await begin('Asking work')
  await asking.ask('Bash', { command: 'git push' })
  await signedIn(server, page)
  await expect(page.getByRole('link', { name: /Asking work/ })).toBeVisible()
  await page.keyboard.press('?')
  const list = page.getByRole('dialog', { name: 'Keyboard shortcuts' })
  await expect(list).toContainText('Next session that waits for you')
  await accessible(page)
  await page.keyboard.press('Escape')
  await expect(list).toHaveCount(0)
  await page.keyboard.press('/')
  await expect(page.getByRole('searchbox').first()).toBeFocused()
  await page.keyboard.type('alpha?a')
  await expect(list).toHaveCount(0)
  await expect(page.getByRole('searchbox').first()).toHaveValue('alpha?a')
  await page.getByRole('searchbox').first().fill('')
  await page.keyboard.press('Escape')
  await page.keyboard.press('j')
  await expect(page.locator('a.session-card').first()).toBeFocused()
  await page.keyboard.press('ArrowDown')
  await expect(page.locator('a.session-card').nth(1)).toBeFocused()
  await page.keyboard.press('k')
  await page.keyboard.press('g')
  await page.keyboard.press('a')
  await expect(page).toHaveURL(/\/code\/devices$/)
  await page.keyboard.press('g')
  await page.keyboard.press('h')
  await expect(page).toHaveURL(`${server.url}/code/`)
  await page.keyboard.press(']')
  await expect(page).toHaveURL(new RegExp(asking.id))
  await expect(page.getByRole('region', { name: 'The agent asks' })).toBeVisible()
  await expect(page.locator('[data-key="allow"]')).toHaveAttribute('aria-disabled', 'false')
  // One key decides nothing.
  await page.keyboard.press('a')
  await expect(page.getByRole('dialog')).toContainText('git push')
  await page.keyboard.press('Escape')
  await expect(page.getByRole('dialog')).toHaveCount(0)
  await expect(page.getByRole('region', { name: 'The agent asks' })).toContainText('git push')
  await page.keyboard.press('d')
  await expect(page.getByLabel('What should the agent do instead?')).toBeFocused()
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Back', exact: true }).click()
  await page.keyboard.press('a')
  await page.getByRole('dialog').getByRole('button', { name: 'Allow once' }).focus()
  await page.keyboard.press('Enter')
  await expect(page.getByRole('region', { name: 'The agent asks' })).toHaveCount(0)
  await open(server, page, first)
  await expect(page.getByLabel('Message to the agent')).toBeVisible()
  await page.keyboard.press('c')
  await expect(page.getByLabel('Message to the agent')).toBeFocused()
  await page.keyboard.press('Escape')
  // Whoever is in the way of single keys turns them off.
  await page.keyboard.press('?')
  await list.getByRole('checkbox').uncheck()
  await page.keyboard.press('Escape')
  await page.keyboard.press('?')
  await expect(list).toHaveCount(0)
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByLabel('Language').selectOption('zh')
  await page.getByRole('button', { name: '键盘快捷键' }).click()
  await expect(page.getByRole('dialog')).toContainText('下一个等待你的会话')
  await page.getByRole('dialog').getByRole('checkbox').check()
})

test('contrast is high where the system or the reader wants it', { tag: '@once' }, async ({ page }) => {
  await page.emulateMedia({ contrast: 'more' })
  await signedIn(server, page)
  await expect(page.locator('html')).toHaveAttribute('data-contrast', 'more')
  await page.emulateMedia({ contrast: 'no-preference' })
  await expect(page.locator('html')).toHaveAttribute('data-contrast', 'normal')
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByLabel('Contrast').selectOption('more')
  await page.getByLabel('Appearance').selectOption('dark')
  await page.reload()
  await expect(page.locator('html')).toHaveAttribute('data-contrast', 'more')
  await expect(page.locator('body')).toHaveCSS('background-color', 'rgb(0, 0, 0)')
  await expect(page.locator('meta[name="theme-color"]').first()).toHaveAttribute('content', '#1a1c1f')
  await accessible(page)
})
