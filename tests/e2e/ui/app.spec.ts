// What people do with the app, each with what goes wrong around it.

import { AxeBuilder } from '@axe-core/playwright'
import { expect, test, type Browser, type BrowserContext, type Page } from '@playwright/test'
import { Agent } from './agent'
import { conversation, EDIT, machine } from './scenes'
import { Server } from './server'

let server: Server
const agents: Agent[] = []

test.beforeAll(async () => {
  server = await Server.start()
})

test.afterAll(async () => {
  agents.forEach((agent) => agent.end())
  await server.end()
})

async function begin(title: string): Promise<Agent> {
  const agent = await Agent.begin(server, title)
  agents.push(agent)
  return agent
}

async function link(): Promise<string> {
  const made = await server.ask('POST', '/api/v1/login-links', {})
  const secret = made.url.split('#')[1]
  return `${server.url}/code/login#${secret}`
}

async function signedIn(page: Page): Promise<void> {
  await page.goto(await link())
  await expect(page).toHaveURL(`${server.url}/code/`)
}

async function open(page: Page, agent: Agent): Promise<void> {
  await page.goto(`${server.url}/code/${agent.id}`)
  await expect(page.getByRole('log')).toBeVisible()
}

async function another(browser: Browser, agent: string): Promise<{ context: BrowserContext; page: Page }> {
  const context = await browser.newContext({ userAgent: agent, viewport: { width: 390, height: 844 } })
  const page = await context.newPage()
  await signedIn(page)
  return { context, page }
}

/** No serious fault for those who do not see or do not point. */
async function accessible(page: Page): Promise<void> {
  const found = await new AxeBuilder({ page }).analyze()
  const grave = found.violations.filter((violation) => ['serious', 'critical'].includes(violation.impact ?? ''))
  expect(grave.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(' ')}`)).toEqual([])
}

test('the link that the server prints lets one browser in, once', async ({ page, browser }) => {
  const printed = server.link
  const elsewhere: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url)) elsewhere.push(request.url())
  })
  const problems: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' && !/401/.test(message.text())) problems.push(message.text())
  })
  await page.goto(printed)
  await expect(page).toHaveURL(`${server.url}/code/`)
  await expect(page.getByText('No sessions yet')).toBeVisible()
  await accessible(page)
  const cookies = await page.context().cookies(`${server.url}/api/v1/me`)
  expect(cookies).toMatchObject([{ name: 'rcs_device', httpOnly: true, sameSite: 'Strict', path: '/api/v1' }])
  const second = await browser.newContext()
  const late = await second.newPage()
  await late.goto(printed)
  await expect(late.getByRole('alert')).toContainText('login link')
  await accessible(late)
  await late.goto(await link())
  await expect(late.getByText('No sessions yet')).toBeVisible()
  await late.getByRole('button', { name: 'Menu' }).click()
  await late.getByRole('button', { name: 'Sign out' }).click()
  await late.getByLabel('API key').fill(server.key)
  await late.getByRole('button', { name: 'Sign in' }).click()
  await expect(late.getByText('No sessions yet')).toBeVisible()
  expect(elsewhere).toEqual([])
  expect(problems).toEqual([])
  await second.close()
})

test('signing out another device ends it, and signing out everywhere ends all', async ({ page, browser }) => {
  await signedIn(page)
  const phone = await another(browser, 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604')
  await page.goto(`${server.url}/code/devices`)
  await expect(page.getByText('Safari, iPhone')).toBeVisible()
  await accessible(page)
  await page.getByRole('listitem').filter({ hasText: 'Safari, iPhone' }).filter({ hasNotText: 'Signed out' }).getByRole('button', { name: 'Sign out' }).click()
  await phone.page.reload()
  await expect(phone.page.getByRole('heading', { name: 'Sign in' })).toBeVisible()
  await page.getByRole('button', { name: 'Sign out everywhere' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'OK' }).click()
  await expect(page.getByRole('heading', { name: 'Sign in' })).toBeVisible()
  await phone.context.close()
})

test('home shows what needs a human first, and changes by itself', async ({ page }) => {
  const home = await machine(server, 'laptop', '/home/dev/shop', 'fix-total')
  await signedIn(page)
  const idle = await begin('Tidy the changelog')
  const asking = await Agent.begin(server, 'Release 2.0', home)
  agents.push(asking)
  await expect(page.getByRole('link', { name: /Release 2\.0/ })).toBeVisible()
  const request = await asking.ask('Bash', { command: 'git push --tags' })
  await expect(page.getByRole('heading', { name: 'Waiting for you' })).toBeVisible()
  await expect(page.getByRole('banner').getByText('1 waiting')).toBeVisible()
  const titles = await page.locator('.session-title').allInnerTexts()
  expect(titles[0]).toBe('Release 2.0')
  await accessible(page)
  await page.getByRole('searchbox').fill('changelog')
  await expect(page.locator('.session-title')).toHaveText(['Tidy the changelog'])
  await page.getByRole('searchbox').fill('')
  // Answered elsewhere: the pill goes.
  await server.ask('POST', `/api/v1/sessions/${asking.id}/permissions/${request}`, { decision: 'deny' })
  await expect(page.getByRole('banner').getByText('1 waiting')).toBeHidden()
  // Renamed and archived from here.
  await page.getByRole('link', { name: /Tidy the changelog/ }).click()
  await page.getByRole('button', { name: 'Actions' }).click()
  await page.getByRole('button', { name: 'Rename' }).click()
  await page.getByRole('dialog').getByRole('textbox').fill('Tidy the notes')
  await page.getByRole('dialog').getByRole('button', { name: 'OK' }).click()
  await expect(page.getByRole('heading', { name: 'Tidy the notes' })).toBeVisible()
  await page.getByRole('button', { name: 'Actions' }).click()
  await page.getByRole('button', { name: 'Archive' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'OK' }).click()
  await expect(page.getByRole('link', { name: /Tidy the notes/ })).toBeHidden()
  await expect(page).toHaveURL(`${server.url}/code/`)
  idle.end()
})

test('a conversation reads as it was, and words come in as they are written', async ({ page }) => {
  const agent = await begin('Fix the total')
  await conversation(agent)
  await signedIn(page)
  await open(page, agent)
  await expect(page.getByText('The checkout total ignores quantities')).toBeVisible()
  await expect(page.locator('.prose table')).toBeVisible()
  await expect(page.locator('.prose .code .hljs-keyword').first()).toBeVisible()
  await page.getByRole('button', { name: /^Edit/ }).click()
  await expect(page.locator('.line-new ins').first()).toContainText('item.quantity')
  await page.getByRole('button', { name: /^Bash/ }).click()
  await expect(page.getByText('✗ multiplies by the quantity')).toBeVisible()
  await accessible(page)
  const writing = agent.stream('One word after the other comes in here while you look at it and then it is done.', 120)
  await expect(page.locator('.streaming')).toContainText('One word')
  await expect(page.locator('.streaming')).not.toContainText('done', { timeout: 500 })
  await writing
  await expect(page.locator('.streaming')).toBeHidden()
  await expect(page.getByText('and then it is done.')).toHaveCount(1)
})

test('history comes in pages, and reading further up is not disturbed', async ({ page }) => {
  const agent = await begin('A long one')
  for (let block = 0; block < 9; block++) {
    await Promise.all(Array.from({ length: 100 }, (_, index) => index).slice(0, 1).map(async () => {
      for (let index = 0; index < 100; index++) await agent.say(`Paragraph ${block * 100 + index}`)
    }))
  }
  await signedIn(page)
  const began = Date.now()
  await open(page, agent)
  await expect(page.getByText('Paragraph 899', { exact: true })).toBeVisible()
  expect(Date.now() - began).toBeLessThan(5_000)
  await expect(page.getByText('Paragraph 100', { exact: true })).toHaveCount(0)
  const log = page.getByRole('log')
  await log.evaluate((element) => element.scrollTo(0, 300))
  await expect(page.getByText('Paragraph 500', { exact: true })).toHaveCount(1)
  const before = await log.evaluate((element) => element.scrollTop)
  await agent.say('Something new at the end')
  await expect(page.getByRole('button', { name: /1 new/ })).toBeVisible()
  expect(Math.abs((await log.evaluate((element) => element.scrollTop)) - before)).toBeLessThan(3)
  await page.getByRole('button', { name: /1 new/ }).click()
  await expect(page.getByText('Something new at the end')).toBeInViewport()
})

test('a session of twenty thousand events opens at once', async ({ page }) => {
  const agent = await begin('Twenty thousand')
  await agent.bulk(20_000)
  await signedIn(page)
  await page.getByRole('link', { name: /Twenty thousand/ }).waitFor()
  const began = Date.now()
  await page.getByRole('link', { name: /Twenty thousand/ }).click()
  await expect(page.getByText('Line 19999', { exact: true })).toBeVisible()
  expect(Date.now() - began).toBeLessThan(2_000)
  expect(await page.locator('.item').count()).toBeLessThan(1_000)
})

test('a permission that was raised while no browser was open is there, and is decided', async ({ page }) => {
  const agent = await begin('Deploy')
  const first = await agent.ask('Bash', { command: 'make deploy && make smoke', description: 'Deploy and look' })
  const second = await agent.ask('Edit', EDIT)
  await server.kill()
  await server.launch()
  await signedIn(page)
  await expect(page.getByText('2 questions')).toBeVisible()
  await open(page, agent)
  const sheet = page.getByRole('region', { name: 'The agent asks' })
  await expect(sheet).toContainText('make deploy && make smoke')
  await expect(sheet).toContainText('1 of 2')
  for (const name of ['Allow once', 'Deny…', 'Allow this for the whole session']) {
    const box = (await sheet.getByRole('button', { name }).boundingBox())!
    expect(box.height).toBeGreaterThanOrEqual(44)
    expect(box.width).toBeGreaterThanOrEqual(44)
  }
  const [deny, allow] = [(await sheet.getByRole('button', { name: 'Deny…' }).boundingBox())!, (await sheet.getByRole('button', { name: 'Allow once' }).boundingBox())!]
  expect(allow.x - (deny.x + deny.width)).toBeGreaterThanOrEqual(12)
  await accessible(page)
  await sheet.getByRole('button', { name: 'Allow once' }).click()
  expect(await agent.answerTo(first)).toMatchObject({ behavior: 'allow' })
  // The next one stands in its place, and is denied with words.
  await expect(sheet).toContainText('total.ts')
  await sheet.getByRole('button', { name: 'Deny…' }).click()
  await sheet.getByRole('textbox').fill('Keep the old name')
  await sheet.getByRole('button', { name: 'Deny', exact: true }).click()
  expect(await agent.answerTo(second)).toMatchObject({ behavior: 'deny', message: 'Keep the old name' })
  await expect(sheet).toBeHidden()
  await expect(page.getByText('Allowed by you')).toBeVisible()
  await expect(page.getByText('Denied by you')).toBeVisible()
})

test('a rule for the session answers the next one', async ({ page }) => {
  const agent = await begin('Look around')
  await signedIn(page)
  await open(page, agent)
  const first = await agent.ask('Bash', { command: 'git status' })
  await page.getByRole('button', { name: 'Allow this for the whole session' }).click()
  await agent.answerTo(first)
  const second = await agent.ask('Bash', { command: 'git status' })
  expect(await agent.answerTo(second)).toMatchObject({ behavior: 'allow' })
  await expect(page.getByText('Allowed by the rule “Bash git status”')).toBeVisible()
})

test('two browsers race for one approval: one wins, the other sees who', async ({ page, browser }) => {
  const agent = await begin('Race')
  await signedIn(page)
  const phone = await another(browser, 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604')
  const request = await agent.ask('Bash', { command: 'rm -rf build' })
  await open(page, agent)
  await open(phone.page, agent)
  const sheets = [page, phone.page].map((one) => one.getByRole('region', { name: 'The agent asks' }))
  await sheets[1]!.getByRole('button', { name: 'Deny…' }).click()
  const buttons = [sheets[0]!.getByRole('button', { name: 'Allow once' }), sheets[1]!.getByRole('button', { name: 'Deny', exact: true })]
  await Promise.all(buttons.map((button) => button.waitFor()))
  await Promise.all(buttons.map((button) => button.evaluate((element: HTMLElement) => element.click())))
  const answer = await agent.answerTo(request)
  await expect(sheets[0]!).toBeHidden()
  await expect(sheets[1]!).toBeHidden()
  const [here, there] = answer.behavior === 'allow' ? ['Allowed by you', /Allowed by Chrom/] : [/Denied by Safari, iPhone/, 'Denied by you']
  await expect(page.getByText(here)).toBeVisible()
  await expect(phone.page.getByText(there)).toBeVisible()
  await phone.context.close()
})

test('who decides late without having heard is told who was first', async ({ page, browser }) => {
  const agent = await begin('Late')
  await signedIn(page)
  const phone = await another(browser, 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604')
  const request = await agent.ask('Bash', { command: 'rm -rf build' })
  await open(page, agent)
  await open(phone.page, agent)
  const sheet = phone.page.getByRole('region', { name: 'The agent asks' })
  await sheet.getByRole('button', { name: 'Allow once' }).waitFor()
  // The phone hears nothing of the log any more, but its requests go out.
  await phone.page.route('**/events?**', (route) => route.abort())
  await phone.context.setOffline(true)
  await phone.context.setOffline(false)
  await page.getByRole('button', { name: 'Deny…' }).click()
  await page.getByRole('button', { name: 'Deny', exact: true }).click()
  expect(await agent.answerTo(request)).toMatchObject({ behavior: 'deny' })
  await sheet.getByRole('button', { name: 'Allow once' }).click()
  await expect(sheet.getByRole('alert')).toContainText(/Chrom.* was first: denied/)
  // The card goes when the log says so.
  await phone.page.unroute('**/events?**')
  await expect(sheet).toBeHidden()
  await expect(phone.page.getByText(/Denied by Chrom/)).toBeVisible()
  await phone.context.close()
})

test('questions with options and a plan are answered', async ({ page }) => {
  const agent = await begin('Choices')
  await signedIn(page)
  await open(page, agent)
  const asked = await agent.ask('AskUserQuestion', { questions: [
    { question: 'Which database?', header: 'Storage', multiSelect: false, options: [{ label: 'SQLite', description: 'One file' }, { label: 'Postgres', description: 'A server' }] },
    { question: 'Which platforms?', multiSelect: true, options: [{ label: 'Linux' }, { label: 'macOS' }, { label: 'Windows' }] },
  ] })
  const sheet = page.getByRole('region', { name: 'The agent asks' })
  await expect(sheet.getByRole('button', { name: 'Send answer' })).toBeDisabled()
  await sheet.getByRole('group', { name: /database/ }).getByText('Something else…').click()
  await sheet.getByRole('textbox', { name: 'Something else…' }).fill('DuckDB')
  await sheet.getByText('Linux').click()
  await sheet.getByText('macOS').click()
  await accessible(page)
  await sheet.getByRole('button', { name: 'Send answer' }).click()
  const answer = await agent.answerTo(asked)
  expect(answer.updatedInput.answers).toEqual({ 'Which database?': 'DuckDB', 'Which platforms?': 'Linux, macOS' })

  const plan = await agent.ask('ExitPlanMode', { plan: '# The plan\n\n1. Write it\n2. Test it' })
  await expect(sheet.getByRole('heading', { name: 'The plan', exact: true })).toBeVisible()
  await sheet.getByRole('button', { name: 'Approve, accept edits by itself' }).click()
  expect((await agent.answerTo(plan)).updatedPermissions).toEqual([{ type: 'setMode', mode: 'acceptEdits', destination: 'session' }])
})

test('what is said goes once: queued, delivered, seen; a draft stays', async ({ page }) => {
  const agent = await begin('Talk')
  await signedIn(page)
  await open(page, agent)
  const box = page.getByRole('textbox', { name: 'Message to the agent' })
  await box.fill('A draft for later')
  await page.reload()
  await expect(box).toHaveValue('A draft for later')
  await box.fill('Hello\nthere')
  await box.press('Enter')
  await expect(box).toHaveValue('')
  await expect(page.locator('.mine')).toContainText('Seen by the agent')
  expect(agent.prompts).toEqual(['Hello\nthere'])
})

test('the mode that is shown is the one that the worker confirmed', async ({ page }) => {
  const agent = await begin('Modes')
  await signedIn(page)
  await open(page, agent)
  const mode = page.getByLabel('Mode', { exact: true })
  await expect(mode).toHaveValue('default')
  await mode.selectOption('plan')
  await expect(mode).toHaveValue('plan')
  await expect(page.getByText('Mode is now Plan only')).toBeVisible()
})

test('a turn is stopped', async ({ page }) => {
  const agent = await begin('Endless')
  agent.onPrompt = async () => agent.put({ worker_status: 'running' }).then(() => undefined)
  await signedIn(page)
  await open(page, agent)
  const box = page.getByRole('textbox', { name: 'Message to the agent' })
  await box.fill('Count to infinity')
  await box.press('Enter')
  await page.getByRole('button', { name: 'Stop the agent' }).click()
  await expect.poll(() => agent.interrupts.length).toBe(1)
})

test('a message from a tunnel is sent exactly once, and another is taken back in time', async ({ page, context }) => {
  const agent = await begin('Tunnel')
  await signedIn(page)
  await open(page, agent)
  const box = page.getByRole('textbox', { name: 'Message to the agent' })
  await expect(page.getByText('The agent is connected').or(page.getByText('Nothing was said yet.')).first()).toBeVisible()
  await context.setOffline(true)
  await box.fill('From the tunnel')
  await box.press('Enter')
  await box.fill('Never mind this one')
  await box.press('Enter')
  await expect(page.locator('.is-later')).toHaveCount(2)
  await expect(page.getByText('Will be sent when there is a connection').first()).toBeVisible()
  await page.locator('.is-later').filter({ hasText: 'Never mind' }).getByRole('button', { name: 'Cancel' }).click()
  await accessible(page)
  await context.setOffline(false)
  await expect.poll(() => agent.prompts).toEqual(['From the tunnel'])
  await expect(page.locator('.is-later')).toHaveCount(0)
  await expect(page.locator('.mine')).toHaveCount(1)
})

test('a decision from a tunnel arrives when the train leaves it, and the card stays until it does', async ({ page, context }) => {
  const agent = await begin('Tunnel decision')
  const request = await agent.ask('Bash', { command: 'make release' })
  await signedIn(page)
  await open(page, agent)
  const sheet = page.getByRole('region', { name: 'The agent asks' })
  await expect(sheet).toContainText('make release')
  await context.setOffline(true)
  await sheet.getByRole('button', { name: 'Allow once' }).click()
  await expect(sheet).toContainText('Your decision is sent when there is a connection')
  await page.waitForTimeout(1_000)
  await expect(sheet).toBeVisible()
  expect(agent.answers.size).toBe(0)
  await context.setOffline(false)
  expect(await agent.answerTo(request)).toMatchObject({ behavior: 'allow' })
  await expect(sheet).toBeHidden()
})

test('a gap in the log is said, and the conversation goes on behind it', async ({ page, context }) => {
  const agent = await begin('Gap')
  await signedIn(page)
  await open(page, agent)
  await agent.say('Before the gap')
  await expect(page.getByText('Before the gap')).toBeVisible()
  const { epoch, latest } = await server.ask('GET', `/api/v1/sessions/${agent.id}/events?after=latest`)
  await context.setOffline(true)
  await agent.say('Forgotten meanwhile')
  await agent.say('Behind the gap')
  // What a server answers that kept only the last of these.
  let refused = false
  await page.route(`**/events?after=${latest}&**`, async (route) => {
    if (refused) return route.continue()
    refused = true
    const problem = { type: 'urn:rcs:problem:gap', title: 'x', status: 410, detail: 'x', earliest: latest + 2, latest: latest + 2, epoch }
    await route.fulfill({ status: 410, contentType: 'application/problem+json', body: JSON.stringify(problem) })
  })
  await context.setOffline(false)
  await expect(page.getByRole('alert')).toContainText('no longer kept')
  await expect(page.getByText('Behind the gap')).toBeVisible()
  await expect(page.getByText('Forgotten meanwhile')).toHaveCount(0)
})

test('an answer that was lost on the way back does not send a message twice', async ({ page }) => {
  const agent = await begin('Lost reply')
  await signedIn(page)
  // No log either: nothing else tells the app that the message is there.
  await page.route('**/events?**', (route) => route.abort())
  await open(page, agent)
  let lost = 0
  await page.route('**/messages', async (route) => {
    if (lost++ > 0) return route.continue()
    // The server has it; the phone never hears of that.
    await route.fetch()
    await route.abort('connectionreset')
  })
  const box = page.getByRole('textbox', { name: 'Message to the agent' })
  await box.fill('Only once')
  await box.press('Enter')
  await expect.poll(() => lost).toBeGreaterThan(1)
  await page.unroute('**/events?**')
  await expect(page.locator('.mine')).toContainText('Seen by the agent')
  expect(agent.prompts).toEqual(['Only once'])
  await expect(page.locator('.mine')).toHaveCount(1)
})

test('the server is killed in the middle of a sentence, and nothing is missing or there twice', async ({ page }) => {
  const agent = await begin('Crash')
  await signedIn(page)
  await open(page, agent)
  await agent.say('Before the crash')
  await expect(page.getByText('Before the crash')).toBeVisible()
  await server.kill()
  const box = page.getByRole('textbox', { name: 'Message to the agent' })
  await box.fill('While it was down')
  await box.press('Enter')
  await expect(page.locator('.is-later')).toHaveCount(1)
  await server.launch()
  await agent.say('After the crash')
  await expect(page.getByText('After the crash')).toBeVisible()
  await expect.poll(() => agent.prompts).toEqual(['While it was down'])
  await expect(page.locator('.mine')).toHaveCount(1)
  await expect(page.getByText('Before the crash')).toHaveCount(1)
})

test('what was missed is caught up, and said', async ({ page, context }) => {
  const agent = await begin('Missed')
  await signedIn(page)
  await open(page, agent)
  await agent.say('Here')
  await expect(page.getByText('Here', { exact: true })).toBeVisible()
  await context.setOffline(true)
  for (let index = 0; index < 5; index++) await agent.say(`Missed ${index}`)
  await context.setOffline(false)
  await expect(page.getByText('Missed 4')).toBeVisible()
  await expect(page.getByText(/Caught up: \d+ events?/)).toBeVisible()
  await expect(page.getByText('Missed 0')).toHaveCount(1)
})

test('hostile words are shown and never done', async ({ page }) => {
  const agent = await begin('Hostile <img src=x onerror=document.title=1>')
  await agent.say('<script>window.hacked = 1</script><img src="https://evil.test/x.png" onerror="window.hacked = 2">\n\n**bold** [link](javascript:window.hacked=3) ![pixel](https://evil.test/p.png)')
  await agent.say('[away](https://example.test/) `code` <div class="sheet" style="position:fixed;inset:0">over everything</div>')
  await agent.tool('Bash', { command: 'echo \u202Egnp.exe' }, '\u001b]0;title\u0007\u001b[2Jcleared? ' + 'x'.repeat(1_000_000))
  const elsewhere: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url) && !request.url().startsWith('data:')) elsewhere.push(request.url())
  })
  await signedIn(page)
  await open(page, agent)
  await expect(page.getByText('bold', { exact: true })).toBeVisible()
  await page.getByRole('button', { name: /^Bash/ }).click()
  await expect(page.getByText('‹U+202E›').first()).toBeVisible()
  await expect(page.getByText('cleared?')).toBeVisible()
  expect(await page.evaluate(() => (window as any).hacked)).toBeUndefined()
  expect(await page.locator('.log a').evaluateAll((links) => links.map((one) => one.getAttribute('href')))).toEqual(expect.not.arrayContaining([expect.stringContaining('javascript')]))
  expect(await page.locator('.log [style*=fixed], .log .sheet').count()).toBe(0)
  expect(elsewhere).toEqual([])
})

test('what an agent behind a link says reads the same', async ({ page }) => {
  const agent = await begin('Behind a link')
  await signedIn(page)
  // The frames are recorded ones; the link itself has its tests elsewhere.
  const frame = (update: object) => ({ type: 'session_update', payload: { sessionId: 'x', update } })
  const chunk = (sessionUpdate: string, text: string) => frame({ sessionUpdate, content: { type: 'text', text } })
  const call = { toolCallId: 'call_1', kind: 'execute', title: 'echo hi > made.txt', rawInput: { command: 'echo hi > made.txt' } }
  const edit = { toolCallId: 'call_2', kind: 'edit', title: 'Write notes.md', status: 'completed', content: [{ type: 'diff', path: '/src/notes.md', oldText: 'one\n', newText: 'two\n' }] }
  const said = [
    ['user', chunk('user_message_chunk', 'Make a file')],
    ['assistant', chunk('agent_thought_chunk', 'A file, then.')],
    ['assistant', frame({ ...call, sessionUpdate: 'tool_call', status: 'in_progress', content: [] })],
    ['assistant', frame({ toolCallId: 'call_1', sessionUpdate: 'tool_call_update', status: 'completed', content: [{ type: 'content', content: { type: 'text', text: 'made it' } }] })],
    ['assistant', frame({ ...edit, sessionUpdate: 'tool_call' })],
    ['assistant', chunk('agent_message_chunk', 'It is **ma')],
    ['assistant', chunk('agent_message_chunk', 'de**.')],
    ['result', { type: 'prompt_complete', payload: { stopReason: 'end_turn' } }],
  ] as const
  const by = { type: 'worker', id: agent.id }
  const events: object[] = said.map(([kind, payload], index) => ({ sequence: index + 1, position: 1, at: '2026-01-01T00:00:00Z', kind: 'message_received', by, data: { kind, ephemeral: false, message: null }, payload }))
  events.push({ sequence: said.length + 1, position: 1, at: '2026-01-01T00:00:00Z', kind: 'permission_requested', by, data: { request: 'perm_1', tool: 'execute', session: agent.id }, payload: { type: 'permission_request', payload: { requestId: 'perm_1', toolCall: call } } })
  await page.route(`**/sessions/${agent.id}/events?**`, (route) => {
    if (route.request().headers().accept?.includes('event-stream')) return route.abort()
    return route.fulfill({ json: { events, next: events.length, latest: events.length, earliest: 1, epoch: 'x' } })
  })
  await open(page, agent)
  await expect(page.locator('.bubble')).toHaveText('Make a file')
  await expect(page.locator('.said')).toHaveText('It is made.')
  await expect(page.locator('.streaming')).toHaveCount(0)
  await page.getByRole('button', { name: /^execute/ }).click()
  await expect(page.getByText('made it')).toBeVisible()
  await page.getByRole('button', { name: /^edit/ }).click()
  await expect(page.locator('.line-new')).toContainText('two')
  await expect(page.getByRole('region', { name: 'The agent asks' })).toContainText('echo hi > made.txt')
})

test('a question is answered with the keyboard alone, and nothing keeps anybody from zooming', async ({ page }) => {
  const agent = await begin('Keyboard')
  const request = await agent.ask('Bash', { command: 'ls' })
  await signedIn(page)
  await open(page, agent)
  await expect(page.getByRole('button', { name: 'Allow once' })).toBeVisible()
  for (let presses = 0; presses < 80; presses++) {
    await page.keyboard.press('Tab')
    if (await page.evaluate(() => document.activeElement?.textContent === 'Allow once')) break
  }
  await page.keyboard.press('Enter')
  expect(await agent.answerTo(request)).toMatchObject({ behavior: 'allow' })
  expect(await page.locator('meta[name=viewport]').getAttribute('content')).not.toMatch(/user-scalable|maximum-scale/)
  // As wide as a phone at twice the size: nothing runs out of the page.
  await page.setViewportSize({ width: 320, height: 640 })
  for (const path of [`/code/${agent.id}`, '/code/', '/code/devices']) {
    await page.goto(server.url + path)
    await page.locator('.list-pane, .main-pane').first().waitFor({ state: 'attached' })
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(320)
  }
})

test('everything is in Chinese for those who read it', async ({ browser }) => {
  const context = await browser.newContext({ locale: 'zh-CN' })
  const page = await context.newPage()
  await signedIn(page)
  await expect(page.getByPlaceholder('按标题或目录筛选')).toBeVisible()
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-Hans')
  await context.close()
})

test('the shell opens without a server', async ({ page, context }) => {
  await signedIn(page)
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
  await page.reload()
  await expect(page.getByRole('searchbox')).toBeVisible()
  await context.setOffline(true)
  await page.reload()
  await expect(page.getByText('No connection.')).toBeVisible()
  await context.setOffline(false)
  await expect(page.getByRole('searchbox')).toBeVisible()
})
