// Being told that an agent waits: the page that switches it, and the worker that shows it and takes the answer. No push
// service can be reached from here, so the browser's part of subscribing is played by the test, and what would come
// from the service is put into the worker by the browser's own debugging protocol.

import { expect, test, type BrowserContext, type CDPSession, type Page, type Worker } from '@playwright/test'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Agent } from './agent'
import { begin, server, stage } from './stage'
import { accessible, IPHONE, signedIn } from './steps'

let receiver: HttpServer
const heard: { path: string; body: string }[] = []

stage({ RCS_WEBHOOK_PRIVATE_TARGETS: 'loopback' })

test.beforeAll(async () => {
  receiver = createServer((request, response) => {
    let body = ''
    request.on('data', (piece: Buffer) => (body += piece.toString('latin1')))
    request.on('end', () => {
      heard.push({ path: request.url ?? '', body })
      response.writeHead(201).end()
    })
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
})

test.afterAll(() => receiver.close())

const address = () => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`

/** A push service that gives this browser an address of the test's own. */
async function withPushService(page: Page): Promise<void> {
  await page.addInitScript((endpoint) => {
    const key = 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4'
    const held = {
      endpoint,
      options: { applicationServerKey: null },
      toJSON: () => ({ endpoint, keys: { p256dh: key, auth: 'BTBZMqHH6r4Tts7J_aSIgg' } }),
      unsubscribe: async () => sessionStorage.removeItem('subscribed'),
    }
    PushManager.prototype.subscribe = async (options) => {
      if (!options?.applicationServerKey) throw new Error('no key')
      sessionStorage.setItem('subscribed', '1')
      return held as unknown as PushSubscription
    }
    PushManager.prototype.getSubscription = async () => (sessionStorage.getItem('subscribed') ? (held as unknown as PushSubscription) : null)
  }, `${address()}/push/1`)
}

async function workerOf(context: BrowserContext): Promise<Worker> {
  return context.serviceWorkers()[0] ?? (await context.waitForEvent('serviceworker'))
}

/** What the push service would bring. */
async function deliver(page: Page, told: object): Promise<void> {
  const cdp: CDPSession = await page.context().newCDPSession(page)
  const found = new Promise<string>((resolve) => {
    cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      const own = registrations.find((one) => one.scopeURL.endsWith('/code/') && !one.isDeleted)
      if (own) resolve(own.registrationId)
    })
  })
  await cdp.send('ServiceWorker.enable')
  const registrationId = await found
  await cdp.send('ServiceWorker.deliverPushMessage', { origin: server.url, registrationId, data: JSON.stringify(told) })
  await cdp.detach()
}

interface Shown {
  title: string
  body: string
  tag: string
  actions: string[]
}

async function shown(worker: Worker): Promise<Shown[]> {
  return worker.evaluate(async () => {
    const scope = self as unknown as ServiceWorkerGlobalScope
    const all = await scope.registration.getNotifications()
    return all.map((one) => {
      const { actions = [] } = one as Notification & { actions?: { action: string }[] }
      return { title: one.title, body: one.body, tag: one.tag, actions: actions.map(({ action }) => action) }
    })
  })
}

/** A tap on what is shown, on its body or on one of its buttons. */
async function tap(worker: Worker, tag: string, action: string): Promise<void> {
  await worker.evaluate(
    async ({ tag, action }) => {
      const scope = self as unknown as ServiceWorkerGlobalScope
      const [notification] = await scope.registration.getNotifications({ tag })
      let done: Promise<unknown> = Promise.resolve()
      const event = Object.assign(new Event('notificationclick'), { notification, action, waitUntil: (work: Promise<unknown>) => (done = work) })
      scope.dispatchEvent(event)
      await done
    },
    { tag, action },
  )
}

/** Makes a question whose notification goes to the receiver and reads the token from there: only the topic's holder has it. */
async function asked(agent: Agent, command: string): Promise<{ request: string; token: string }> {
  heard.length = 0
  const request = await agent.ask('Bash', { command })
  await expect.poll(() => heard.filter(({ body }) => body.includes('rcsq_')).length, { timeout: 20_000 }).toBe(1)
  const told = JSON.parse(heard.find(({ body }) => body.includes('rcsq_'))!.body)
  const { body } = told.actions.find(({ label }: { label: string }) => label === 'Deny')
  return { request, token: JSON.parse(body).token }
}

async function ready(page: Page): Promise<Worker> {
  await page.context().grantPermissions(['notifications'], { origin: server.url })
  await signedIn(server, page)
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
  return workerOf(page.context())
}

test('this browser is switched on by a tap and off again, and a test goes out encrypted', async ({ page }) => {
  await withPushService(page)
  await ready(page)
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByRole('button', { name: 'Notifications' }).click()
  await expect(page).toHaveURL(`${server.url}/code/notifications`)
  const toggle = page.getByRole('switch', { name: 'Notify me in this browser' })
  await expect(toggle).toHaveAttribute('aria-checked', 'false')
  await toggle.click()
  await expect(toggle).toHaveAttribute('aria-checked', 'true')
  const row = page.getByRole('listitem').filter({ hasText: 'This browser' })
  await expect(row).toContainText('Browser')
  await accessible(page)
  heard.length = 0
  await row.getByRole('button', { name: 'Send a test' }).click()
  await expect(page.getByRole('main').getByRole('status')).toContainText('Sent to')
  expect(heard).toHaveLength(1)
  expect(heard[0]!.body).not.toContain('test')
  // The box is shown as ticked at once; a page that is left before the server has heard of it takes the request along.
  const kept = page.waitForResponse((response) => response.request().method() === 'PATCH')
  await row.getByLabel('Also when a turn ends').check()
  await kept
  await page.reload()
  await expect(toggle).toHaveAttribute('aria-checked', 'true')
  await expect(row.getByLabel('Also when a turn ends')).toBeChecked()
  await toggle.click()
  await expect(toggle).toHaveAttribute('aria-checked', 'false')
  await expect(row).toHaveCount(0)
})

test('what stands in the way is said, with the way around it', async ({ page, browser }) => {
  await page.addInitScript(() => Object.defineProperty(Notification, 'permission', { get: () => 'denied' }))
  await signedIn(server, page)
  await page.goto(`${server.url}/code/notifications`)
  await expect(page.getByText('Blocked for this site')).toBeVisible()
  await expect(page.getByRole('switch')).toBeDisabled()
  const phone = await browser.newContext({ userAgent: IPHONE, viewport: { width: 390, height: 844 } })
  const apple = await phone.newPage()
  await apple.addInitScript(() => Reflect.deleteProperty(globalThis, 'PushManager'))
  await signedIn(server, apple)
  await apple.goto(`${server.url}/code/notifications`)
  await expect(apple.getByText('add RCS to the home screen first')).toBeVisible()
  await accessible(apple)
  await phone.close()
})

test('a topic and a webhook are added, tried and removed', async ({ page }) => {
  await signedIn(server, page)
  await page.goto(`${server.url}/code/notifications`)
  await page.getByLabel('Address').fill(`${address()}/hush`)
  await page.getByLabel('Name (optional)').fill('Pager')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await expect(page.getByRole('main').getByRole('status')).toContainText('Added Pager')
  const row = page.getByRole('listitem').filter({ hasText: 'Pager' })
  await row.getByRole('button', { name: 'Send a test' }).click()
  await expect(page.getByRole('main').getByRole('status')).toContainText('Sent to Pager')
  await page.getByRole('radio', { name: 'Webhook' }).check()
  await page.getByLabel('Address').fill(`${address()}/hook`)
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await expect(page.getByText(/^whsec_/)).toBeVisible()
  await accessible(page)
  await page.getByLabel('Address').fill('ftp://nowhere')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await expect(page.getByRole('alert')).toBeVisible()
  for (const name of ['Pager', 'Webhook ·']) {
    const target = page.getByRole('main').getByRole('listitem').filter({ hasText: name })
    await target.getByRole('button', { name: 'Remove' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await expect(target).toHaveCount(0)
  }
  await expect(page.getByText('Nowhere yet')).toBeVisible()
})

test('a question is shown, answered from the notification, and a later tap hears of the winner', { tag: '@once' }, async ({ page }) => {
  const worker = await ready(page)
  // The token goes to a topic here, because only a browser's own push service could hand it to the browser.
  await server.ask('POST', '/api/v1/notifications/targets', { kind: 'ntfy', url: `${address()}/answers`, answers: true })
  await page.goto('about:blank')
  const agent = await begin('Fix the build')
  const { request, token } = await asked(agent, 'git push')
  await page.goto(`${server.url}/code/`)
  const tag = `${agent.id}/1`
  const told = { kind: 'permission', tag, path: `/code/${agent.id}`, session_title: 'Fix the build', tool: 'Bash', text: 'git push', token, may_allow: true, waiting: 1 }
  await deliver(page, told)
  await expect.poll(() => shown(worker)).toEqual([{ title: 'Bash? Fix the build', body: 'git push', tag, actions: ['allow', 'deny'] }])
  await tap(worker, tag, 'allow')
  expect(await agent.answerTo(request)).toMatchObject({ behavior: 'allow' })
  await expect.poll(() => shown(worker)).toEqual([])

  await deliver(page, told)
  await expect.poll(() => shown(worker).then((all) => all.length)).toBe(1)
  await tap(worker, tag, 'deny')
  await expect.poll(() => shown(worker).then((all) => all[0]?.body)).toBe('Somebody was first: Allowed.')
  await expect(page).toHaveURL(`${server.url}/code/${agent.id}`)
})

test('what is too long cannot be allowed there, and what was answered elsewhere is replaced', { tag: '@once' }, async ({ page }) => {
  const worker = await ready(page)
  const tag = 'session_00000000000000000000000000000001/7'
  const path = '/code/session_00000000000000000000000000000001'
  await deliver(page, { kind: 'permission', tag, path, session_title: 'Fix the build', tool: 'Edit', text: 'a\u2026', token: 'rcsq_x', may_allow: false, waiting: 3 })
  await expect.poll(() => shown(worker)).toMatchObject([{ title: 'Edit? Fix the build', actions: ['open', 'deny'] }])
  expect((await shown(worker))[0]!.body).toContain('Open it to see all of it.')
  const settled = { kind: 'settled', tag, path, session_title: 'Fix the build', verdict: 'deny', by: 'Safari, iPhone', waiting: 2 }
  // With nobody at the screen: the debugging protocol needs a page of ours, so the worker hears it from the test.
  await page.goto('about:blank')
  await worker.evaluate((told) => {
    dispatchEvent(new (self as unknown as { PushEvent: typeof PushEvent }).PushEvent('push', { data: JSON.stringify(told) }))
  }, settled)
  await expect.poll(() => shown(worker)).toEqual([{ title: 'Fix the build', body: 'Denied by Safari, iPhone', tag, actions: [] }])
  // With somebody there, it just goes.
  await page.goto(`${server.url}/code/`)
  await deliver(page, settled)
  await expect.poll(() => shown(worker)).toEqual([])
})

test('in Chinese, the worker speaks it as well', { tag: '@once' }, async ({ page }) => {
  const worker = await ready(page)
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByLabel('Language').selectOption('zh')
  await expect(page.getByRole('button', { name: '通知' })).toBeVisible()
  const told = { kind: 'permission', tag: 'session_00000000000000000000000000000002/7', path: '/code/', session_title: 'x', tool: 'Bash', text: 'ls', waiting: 1 }
  await deliver(page, told)
  await expect.poll(async () => (await shown(worker))[0]?.title).toBe('Bash？x')
})

test('who signs out takes drafts, searches and the notifications of this browser along', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Left behind')
  await withPushService(page)
  await ready(page)
  await page.goto(`${server.url}/code/notifications`)
  await page.getByRole('switch').click()
  await expect(page.getByRole('switch')).toHaveAttribute('aria-checked', 'true')
  await page.goto(`${server.url}/code/${agent.id}`)
  await page.getByLabel('Message to the agent').fill('Not for other eyes')
  await page.keyboard.press('Escape')
  await page.getByRole('link', { name: /^RCS/ }).click()
  await page.getByRole('searchbox').fill('Left')
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible()
  // The browser has let go of its address; the server has, with the device.
  await expect.poll(() => page.evaluate(() => sessionStorage.getItem('subscribed'))).toBeNull()
  const left = await server.ask('GET', '/api/v1/notifications/targets')
  expect(left.items.filter((target: { kind: string }) => target.kind === 'web_push')).toEqual([])
  await page.getByLabel('API key').fill(server.key)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByRole('searchbox')).toHaveValue('')
  await page.getByRole('link', { name: /Left behind/ }).click()
  await expect(page.getByLabel('Message to the agent')).toHaveValue('')
  expect(await page.evaluate(() => sessionStorage.getItem('subscribed'))).toBeNull()
})
