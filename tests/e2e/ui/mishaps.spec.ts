// What went wrong for somebody once: answers that come late or from nobody, taps that hit something else, words that hide
// something, and what somebody before them left behind.

import { expect, test, type Page } from '@playwright/test'
import type { Agent } from './agent'
import { begin, server, stage } from './stage'
import { accessible, box, open as openIn, sheet, signedIn as signIn } from './steps'

stage()

// A worker of the app would answer for the network that these tests speak as.
test.use({ serviceWorkers: 'block' })

const signedIn = (page: Page) => signIn(server, page)
const open = (page: Page, agent: Agent) => openIn(server, page, agent)

test('a double tap on Allow allowed the next question as well', async ({ page }) => {
  const agent = await begin('Two in a row')
  const first = await agent.ask('Bash', { command: 'echo first' })
  const second = await agent.ask('Bash', { command: 'rm -rf build' })
  await signedIn(page)
  await open(page, agent)
  const allow = sheet(page).getByRole('button', { name: 'Allow once' })
  await expect(allow).toHaveAttribute('aria-disabled', 'false')
  const decided: string[] = []
  page.on('request', (request) => request.method() === 'POST' && decided.push(request.url()))
  // As soon as the next one stands there, which is as soon as a second tap can hit it; and once, because later it counts.
  const tapped = page.evaluate(() => new Promise<void>((resolve) => {
    const observer = new MutationObserver(() => {
      const button = document.querySelector<HTMLButtonElement>('[data-key=allow]')
      if (!button || !document.querySelector('.sheet-body')?.textContent?.includes('rm -rf')) return
      observer.disconnect()
      button.click()
      resolve()
    })
    observer.observe(document.body, { childList: true, subtree: true, characterData: true })
  }))
  await allow.click()
  await tapped
  await expect(sheet(page)).toContainText('rm -rf build')
  // It can be pressed by now, and was not: what is decided has no buttons any more.
  await expect(allow).toHaveAttribute('aria-disabled', 'false')
  expect(decided.filter((url) => url.includes(first))).toHaveLength(1)
  expect(decided.filter((url) => url.includes(second))).toEqual([])
  expect(agent.answers.has(second)).toBe(false)
})

test('a double tap on Send stopped the agent', async ({ page }) => {
  const agent = await begin('Keen thumb')
  await agent.put({ worker_status: 'running' })
  await signedIn(page)
  await open(page, agent)
  await expect(page.getByRole('button', { name: 'Stop the agent' })).toBeVisible()
  const stops: string[] = []
  page.on('request', (request) => request.url().endsWith('/interrupt') && stops.push(request.url()))
  await box(page).fill('And the tests, please')
  // Both within the page, one as soon as the other is drawn: between two of the test's own there may be a second.
  const hit = await page.getByRole('button', { name: 'Send' }).evaluate(async (button: HTMLElement) => {
    const { x, y, width, height } = button.getBoundingClientRect()
    button.click()
    await new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = resolve
      port2.postMessage(null)
    })
    const next = document.elementFromPoint(x + width / 2, y + height / 2)!.closest('button')!
    next.click()
    return next.getAttribute('aria-label')
  })
  expect(hit).toBe('Stop the agent')
  await expect.poll(() => agent.prompts).toEqual(['And the tests, please'])
  expect(stops).toEqual([])
  await page.getByRole('button', { name: 'Stop the agent' }).click()
  await expect.poll(() => agent.interrupts.length).toBe(1)
  expect(stops).toHaveLength(1)
})

test('a command was asked for of which a terminal code hid one half', async ({ page }) => {
  const agent = await begin('Hidden half')
  await agent.ask('Bash', { command: 'true \u001b]0; rm -rf ~ ;\u0007\u202e\u200b' })
  await signedIn(page)
  await open(page, agent)
  await expect(sheet(page).locator('pre')).toHaveText('true ␛]0; rm -rf ~ ;␇‹U+202E›‹U+200B›')
  await expect(page.locator('.asked-what')).toContainText('rm -rf ~')
})

test('terminal codes of other kinds stood in what a command printed', async ({ page }) => {
  const agent = await begin('Terminal')
  await agent.tool('Bash', { command: 'make' }, '\u001b[>4;1m\u001b(B\u001b[1mbold\u001b(B\u001b[m 10 %\r 50 %\r100 %\u001bPq#0~\u001b\\ end')
  await signedIn(page)
  await open(page, agent)
  await page.getByRole('button', { name: /^Bash/ }).click()
  await expect(page.locator('.output pre')).toHaveText('bold 10 %\n 50 %\n100 % end', { useInnerText: true })
})

test('a question whose options were mere words blanked the whole page', async ({ page }) => {
  const agent = await begin('Mere words')
  const request = await agent.ask('AskUserQuestion', { questions: [{ question: 'Which database?', options: ['SQLite', 'Postgres', 'SQLite', 7, { label: 8 }] }] })
  await signedIn(page)
  await open(page, agent)
  await expect(sheet(page).getByRole('radio')).toHaveCount(3)
  await sheet(page).getByRole('radio', { name: 'Postgres' }).check()
  await sheet(page).getByRole('button', { name: 'Send answer' }).click()
  expect(JSON.stringify(await agent.answerTo(request))).toContain('Postgres')
  await agent.ask('AskUserQuestion', { questions: ['What now?'] })
  await expect(sheet(page)).toContainText('What now?')
  await expect(sheet(page).getByRole('button', { name: 'Deny…' })).toBeVisible()
})

test('a message of thousands of quotes blanked the page, and one of underscores froze it', async ({ page }) => {
  const agent = await begin('Endless')
  await agent.say(`${'> '.repeat(5_000)}deep`)
  await agent.say(`${'_a'.repeat(60_000)} wide`)
  await agent.say('And *then* it went on.')
  await signedIn(page)
  await open(page, agent)
  await expect(page.getByText('And then it went on.')).toBeVisible()
  await expect(page.getByText('Too long to format; shown as plain text')).toHaveCount(2)
})

test('a file of one endless line that an agent wants to write froze the phone', async ({ page }) => {
  const agent = await begin('Endless line')
  await agent.ask('Write', { file_path: '/home/dev/shop/data.json', content: 'x'.repeat(1_500_000) })
  await signedIn(page)
  await open(page, agent)
  await expect(sheet(page).getByRole('button', { name: /Show all \(1.5 M\)/ })).toBeVisible()
  expect(await sheet(page).locator('pre').first().evaluate((element) => element.textContent!.length)).toBe(20_000)
  await accessible(page)
})

test('a message hung at Sending after a proxy had answered with a page of its own', async ({ page }) => {
  const agent = await begin('Behind a proxy')
  await signedIn(page)
  await open(page, agent)
  let answered = 0
  await page.route('**/messages', (route) => (answered++ === 0 ? route.fulfill({ status: 200, contentType: 'text/html', body: '<h1>Maintenance</h1>' }) : route.continue()))
  await box(page).fill('Still there?')
  await box(page).press('Enter')
  await expect.poll(() => agent.prompts).toEqual(['Still there?'])
  await expect(page.locator('.is-later')).toHaveCount(0)
})

test('a message that had arrived long ago stood at Sending for ever', async ({ page }) => {
  const agent = await begin('Ghost')
  await agent.say('Hello.')
  await signedIn(page)
  const owner = await page.evaluate(async () => (await (await fetch('/api/v1/me')).json()).owner_id)
  await page.evaluate(([session, owner]) => {
    const item = { kind: 'message', id: '0190163d-8694-739b-8d8a-5b0e7a5f1c11', owner, session, text: 'Said last week', at: new Date().toISOString(), done: true }
    localStorage.setItem('rcs.outbox', JSON.stringify([item]))
  }, [agent.id, owner])
  await open(page, agent)
  await expect(page.getByText('Hello.')).toBeVisible()
  await expect(page.getByText('Said last week')).toHaveCount(0)
})

test('a message was lost because another tab that had slept said something', async ({ page, context }) => {
  const agent = await begin('Two tabs')
  await signedIn(page)
  await open(page, agent)
  const other = await context.newPage()
  // A page that was frozen hears later what was written meanwhile.
  await other.addInitScript(() => addEventListener('storage', (event) => event.stopImmediatePropagation(), true))
  await open(other, agent)
  let isOpen = false
  await context.route('**/messages', (route) => (isOpen ? route.continue() : route.abort()))
  await box(page).fill('From the first tab')
  await box(page).press('Enter')
  await expect(page.locator('.is-later')).toHaveCount(1)
  await box(other).fill('From the second tab')
  await box(other).press('Enter')
  await expect(page.locator('.is-later')).toHaveCount(2)
  isOpen = true
  await expect.poll(() => [...agent.prompts].sort(), { timeout: 30_000 }).toEqual(['From the first tab', 'From the second tab'])
  await expect(page.locator('.is-later')).toHaveCount(0)
})

test('what was cancelled while it was on its way was said all the same', async ({ page }) => {
  const agent = await begin('Second thoughts')
  // Nobody takes it meanwhile: it waits in the queue.
  agent.end()
  await signedIn(page)
  await open(page, agent)
  let letGo = () => {}
  const held = new Promise<void>((resolve) => (letGo = resolve))
  await page.route('**/messages', async (route) => {
    const answer = await route.fetch()
    await held
    await route.fulfill({ response: answer }).catch(() => undefined)
  })
  // It is not seen in the conversation before it is answered.
  await page.route('**/events?*', (route) => (/limit=(1|120|300)&/.test(`${route.request().url()}&`) ? route.continue() : route.abort()))
  await page.reload()
  await expect(page.getByText('No connection').last()).toBeVisible()
  await box(page).fill('Delete everything')
  await box(page).press('Enter')
  await page.locator('.is-later').getByRole('button', { name: 'Cancel' }).click()
  letGo()
  const states = async () => (await server.ask('GET', `/api/v1/sessions/${agent.id}/events?after=0&limit=500`)).events.map((event: { kind: string }) => event.kind)
  await expect.poll(states).toContain('message_cancelled')
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

test('a picture opened by itself in the next session', async ({ page }) => {
  const [one, other] = [await begin('With a picture'), await begin('Without')]
  const dot = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
  await server.ask('POST', `/api/v1/sessions/${one.id}/messages`, { content: [{ type: 'text', text: 'Look' }, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: dot } }], message_id: '0190163d-8694-739b-8d8a-5b0e7a5f1c22' })
  await other.say('Nothing to see.')
  await signedIn(page)
  await page.locator(`a[href="/code/${one.id}"]`).first().click()
  await page.locator('.mine .picture').first().click()
  await expect(page.locator('dialog.lightbox')).toBeVisible()
  await page.goBack()
  await page.locator(`a[href="/code/${other.id}"]`).first().click()
  await expect(page.getByText('Nothing to see.')).toBeVisible()
  await expect(page.locator('dialog.lightbox')).toHaveCount(0)
})

test('a session that began late took somebody away from what they had gone to read', async ({ page }) => {
  const agent = await begin('Being read')
  await agent.say('A long text.')
  const made = await server.ask('POST', '/v1/environments/bridge', { machine_name: 'slow', directory: '/srv', branch: 'main', git_repo_url: null, max_sessions: 4, metadata: { worker_type: 'claude_code' } })
  await signedIn(page)
  let letGo = () => {}
  const held = new Promise<void>((resolve) => (letGo = resolve))
  await page.route('**/api/v1/sessions', async (route) => {
    await held
    await route.continue()
  })
  await page.getByRole('link', { name: 'New session' }).click()
  await page.locator(`input[value="${made.environment_id}"]`).check()
  await page.getByRole('button', { name: 'Start session' }).click()
  await page.goBack()
  await page.locator(`a[href="/code/${agent.id}"]`).first().click()
  await expect(page.getByText('A long text.')).toBeVisible()
  const answer = page.waitForResponse((response) => response.request().method() === 'POST' && response.url().endsWith('/sessions'))
  letGo()
  expect((await answer).ok()).toBe(true)
  // What was asked for is forgotten when the app has its answer, right before it would go there.
  await expect.poll(() => page.evaluate(() => JSON.parse(localStorage.getItem('rcs.start')!).once)).toBe('')
  await expect(page).toHaveURL(`${server.url}/code/${agent.id}`)
})

test('looking back stood at Loading when its script did not come', async ({ page }) => {
  const agent = await begin('Renewed')
  await agent.say('Once.')
  await signedIn(page)
  await page.route('**/assets/replay-*', (route) => route.abort())
  await page.goto(`${server.url}/code/${agent.id}/replay`)
  await expect(page.getByRole('alert')).toBeVisible()
  await page.unrouteAll()
  await page.getByRole('button', { name: 'Reload' }).click()
  await expect(page.getByRole('slider')).toBeVisible()
})

test('trying again at looking back showed nothing, because the first answer had been lost', async ({ page }) => {
  const agent = await begin('Lost beginning')
  await agent.say('This was said.')
  await signedIn(page)
  await page.route('**/events?after=latest*', (route) => route.abort())
  await page.goto(`${server.url}/code/${agent.id}/replay`)
  await expect(page.getByRole('alert')).toBeVisible()
  await page.unrouteAll()
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByText('This was said.')).toBeVisible()
})

test('the next one at the same browser found what the one before had begun to write', async ({ page, context }) => {
  const agent = await begin('Shared device')
  const bob = await server.ask('POST', '/api/v1/keys', { name: 'Bob', role: 'member', owner: 'new' })
  await signedIn(page)
  await open(page, agent)
  await box(page).fill('My secret plan')
  await page.goto(`${server.url}/code/new`)
  await page.getByLabel('First prompt').fill('My other secret')
  // Signed out from elsewhere: nobody pressed anything here.
  await context.clearCookies()
  await page.goto(`${server.url}/code/`)
  await page.getByLabel('API key').fill(bob.secret)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByText('No sessions yet')).toBeVisible()
  await page.goto(`${server.url}/code/new`)
  await expect(page.getByLabel('First prompt')).toHaveValue('')
  expect(await page.evaluate(() => JSON.stringify(localStorage))).not.toContain('secret')
})

test('signing out left the drafts behind, because the server had signed this device out before', async ({ page }) => {
  const agent = await begin('Signed out twice')
  await signedIn(page)
  await open(page, agent)
  await box(page).fill('Half a thought')
  await page.route('**/api/v1/logout', (route) => route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{"type":"urn:rcs:problem:unauthorized","status":401,"detail":"no"}' }))
  await page.getByRole('button', { name: 'Menu' }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await expect(page.getByLabel('API key')).toBeVisible()
  expect(await page.evaluate(() => JSON.stringify(localStorage))).not.toContain('Half a thought')
})

test('two taps on Add made two topics', async ({ page }) => {
  await signedIn(page)
  await page.goto(`${server.url}/code/notifications`)
  await page.getByLabel('Address').fill('https://ntfy.sh/twice')
  await page.getByLabel('Name (optional)').fill('Twice')
  let posts = 0
  page.on('request', (request) => request.method() === 'POST' && posts++)
  await page.getByRole('button', { name: 'Add', exact: true }).evaluate((button: HTMLButtonElement) => {
    button.click()
    button.click()
  })
  await expect(page.getByText('Added Twice.')).toBeVisible()
  await expect(page.locator('.notify-row').filter({ hasText: 'Twice' })).toHaveCount(1)
  expect(posts).toBe(1)
})

test('somebody who may only look was offered to rename and archive', async ({ page }) => {
  const agent = await begin('Only looked at')
  const eve = await server.ask('POST', '/api/v1/keys', { name: 'Eve', role: 'viewer' })
  await page.goto(`${server.url}/code/`)
  await page.getByLabel('API key').fill(eve.secret)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await open(page, agent)
  await page.getByRole('button', { name: 'Actions' }).click()
  await expect(page.getByText('Look back')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Archive' })).toHaveCount(0)
})

test('a stream stayed open for a session that had been left while it loaded', async ({ page }) => {
  const made = await server.ask('POST', '/api/v1/sessions', { title: 'Quiet' })
  const other = await server.ask('POST', '/api/v1/sessions', { title: 'Quiet as well' })
  await signedIn(page)
  let letGo = () => {}
  const held = new Promise<void>((resolve) => (letGo = resolve))
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  await page.route('**/events?*', async (route) => {
    await held
    await route.continue().catch(() => undefined)
  })
  await page.locator(`a[href="/code/${made.id}"]`).first().click()
  await expect.poll(() => asked.some((url) => url.includes(`${made.id}/events`))).toBe(true)
  await page.goBack()
  letGo()
  // One that is opened after it goes the same way, and comes to its stream later.
  const streams = (id: string) => asked.filter((url) => /epoch=/.test(url) && url.includes(id) && !/limit=/.test(url))
  await page.locator(`a[href="/code/${other.id}"]`).first().click()
  await expect.poll(() => streams(other.id)).toHaveLength(1)
  expect(streams(made.id)).toEqual([])
})

test('a verification went on after its page was left', async ({ page }) => {
  await signedIn(page)
  await page.goto(`${server.url}/code/admin/storage`)
  await page.route('**/audit/verify', () => undefined)
  const ended = page.waitForEvent('requestfailed', (request) => request.url().endsWith('/audit/verify'))
  await page.getByRole('button', { name: 'Verify now' }).click()
  await page.getByRole('link', { name: 'Machines' }).click()
  await ended
})

test('a message of the day before showed its time and not its day', async ({ page }) => {
  const agent = await begin('Yesterday')
  await agent.typed('Before midnight')
  await signedIn(page)
  await open(page, agent)
  const shown = page.locator('.receipt time').first()
  // The day is that of the message, whenever this runs.
  const at = Date.parse((await shown.getAttribute('datetime'))!)
  await page.clock.setFixedTime(at)
  await open(page, agent)
  await expect(shown).toHaveText(/^\d\d:\d\d$/)
  await page.clock.setFixedTime(at + 2 * 86_400_000)
  await open(page, agent)
  await expect(shown).toHaveText(/^\d{1,2} \w{3,4}, \d\d:\d\d$/)
})

test('on a phone the choice of thinking stood on a line of its own', async ({ page }, info) => {
  test.skip(info.project.name !== 'phone', 'there is room elsewhere')
  const agent = await begin('One line')
  await agent.put({ external_metadata: { permission_mode: 'acceptEdits', model: 'claude-opus-4-8-with-a-long-name-20260101' } })
  await signedIn(page)
  await open(page, agent)
  await expect(page.locator('.setting')).toHaveCount(3)
  const tops = await page.locator('.setting').evaluateAll((all) => all.map((one) => Math.round(one.getBoundingClientRect().top)))
  expect(new Set(tops).size).toBe(1)
  const ends = await page.locator('.setting').evaluateAll((all) => all.map((one) => one.getBoundingClientRect().right))
  expect(Math.max(...ends)).toBeLessThanOrEqual(390)
})
