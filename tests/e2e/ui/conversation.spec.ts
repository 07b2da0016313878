// What is said in a session, as it is read and written: by people, by agents, by enemies, by the thousand.

import { expect, test } from '@playwright/test'
import { conversation } from './scenes'
import { begin, server, stage } from './stage'
import { accessible, open, settled, signedIn } from './steps'

stage()

test('a conversation reads as it was, and words come in as they are written', async ({ page }) => {
  const agent = await begin('Fix the total')
  await conversation(agent)
  await signedIn(server, page)
  await open(server, page, agent)
  await expect(page.getByText('The checkout total ignores quantities')).toBeVisible()
  await expect(page.locator('.prose table')).toBeVisible()
  await expect(page.locator('.prose .code .hljs-keyword').first()).toBeVisible()
  await page.getByRole('button', { name: /^Edit/ }).click()
  await expect(page.locator('.line-new ins').first()).toContainText('item.quantity')
  await page.getByRole('button', { name: /^Bash/ }).click()
  await expect(page.getByText('✗ multiplies by the quantity')).toBeVisible()
  await accessible(page)
  let go = () => {}
  const seen = new Promise<void>((resolve) => (go = resolve))
  const writing = agent.stream('One word after the other comes in here while you look at it and then it is done.', 20, seen)
  await expect(page.locator('.streaming')).toContainText('One word')
  await expect(page.locator('.streaming')).not.toContainText('done')
  go()
  await writing
  await expect(page.locator('.streaming')).toBeHidden()
  await expect(page.getByText('and then it is done.')).toHaveCount(1)
})

/** Times say something about the app only on a machine that does nothing else; elsewhere they are told and not judged. */
const isQuiet = Boolean(process.env.RCS_QUIET)

test('history comes in pages, and reading further up is not disturbed', async ({ page }, info) => {
  const agent = await begin('A long one')
  await agent.bulk(900, 'Paragraph')
  await signedIn(server, page)
  const began = Date.now()
  await open(server, page, agent)
  await expect(page.getByText('Paragraph 899', { exact: true })).toBeVisible()
  const opened = Date.now() - began
  console.log(`${info.project.name}: 900 messages opened from their address in ${opened} ms`)
  if (isQuiet) expect(opened).toBeLessThan(5_000)
  await settled(page)
  await expect(page.getByText('Paragraph 100', { exact: true })).toHaveCount(0)
  const log = page.getByRole('log')
  await log.evaluate((element) => element.scrollTo(0, 300))
  await expect(page.getByText('Paragraph 500', { exact: true })).toHaveCount(1)
  // Where one reads is found again in the frame after the older page was put above it.
  await settled(page)
  const before = await log.evaluate((element) => element.scrollTop)
  await agent.say('Something new at the end')
  await expect(page.getByRole('button', { name: /1 new/ })).toBeVisible()
  expect(Math.abs((await log.evaluate((element) => element.scrollTop)) - before)).toBeLessThan(3)
  await page.getByRole('button', { name: /1 new/ }).click()
  await expect(page.getByText('Something new at the end')).toBeInViewport()
})

test('a jump to the beginning was not heard where rows became shorter meanwhile', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Rows become shorter')
  await agent.bulk(60, 'Paragraph')
  await signedIn(server, page)
  await open(server, page, agent)
  await expect(page.getByText('Paragraph 59', { exact: true })).toBeInViewport()
  await settled(page)
  const log = page.getByRole('log')
  const [before, after] = await log.evaluate((element) => {
    const row = element.querySelectorAll<HTMLElement>('.item')[30]!
    const before = element.scrollHeight
    row.style.display = 'none'
    element.scrollTo(0, 0)
    return [before, element.scrollHeight]
  })
  expect(after).toBeLessThan(before!)
  await expect(page.getByRole('button', { name: 'Latest' })).toBeVisible()
  await agent.say('Nobody is taken away from where they read')
  await expect(page.getByRole('button', { name: /1 new/ })).toBeVisible()
  await expect(page.getByText('Paragraph 0', { exact: true })).toBeInViewport()
})

const OPEN_MS_MAX = 1_000

test('a session of twenty thousand events opens at once', { tag: '@once' }, async ({ page }, info) => {
  const agent = await begin('Twenty thousand')
  await agent.bulk(20_000)
  await signedIn(server, page)
  await page.getByRole('link', { name: /Twenty thousand/ }).waitFor()
  // Measured where it is seen, from the tap to the frame that shows the end.
  const opened = await page.evaluate(async () => {
    const link = [...document.querySelectorAll('a')].find((one) => one.textContent?.includes('Twenty thousand'))!
    const began = performance.now()
    link.click()
    while (![...document.querySelectorAll('.said')].some((one) => one.textContent?.trim() === 'Line 19999')) await new Promise(requestAnimationFrame)
    return Math.round(performance.now() - began)
  })
  expect(await page.locator('.item').count()).toBeLessThan(1_000)
  // From its address, with everything that is fetched before: from where the browser began.
  await page.goto(`${server.url}/code/${agent.id}`)
  const shown = await page.waitForFunction(() => [...document.querySelectorAll('.said')].some((one) => one.textContent?.trim() === 'Line 19999') && performance.now(), undefined, { polling: 'raf' })
  const cold = Math.round(Number(await shown.jsonValue()))
  // Upwards a screen at a time, through what is fetched on the way.
  const scrolled = await page.getByRole('log').evaluate(async (log) => {
    const frames: number[] = []
    for (let step = 0, before = performance.now(); step < 120; step++) {
      log.scrollBy(0, -300)
      await new Promise(requestAnimationFrame)
      frames.push(performance.now() - before)
      before = performance.now()
    }
    frames.sort((one, other) => one - other)
    return { median: Math.round(frames[60]!), p95: Math.round(frames[114]!), most: Math.round(frames[119]!) }
  })
  console.log(`${info.project.name}: 20,000 events opened from the list in ${opened} ms, from their address in ${cold} ms, frames while scrolling ${JSON.stringify(scrolled)} ms`)
  if (isQuiet) expect(Math.max(opened, cold)).toBeLessThan(OPEN_MS_MAX)
})

test('what is said goes once: queued, delivered, seen; a draft stays', async ({ page }) => {
  const agent = await begin('Talk')
  await signedIn(server, page)
  await open(server, page, agent)
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

test('the mode that is shown is the one that the worker confirmed', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Modes')
  await signedIn(server, page)
  await open(server, page, agent)
  const mode = page.getByLabel('Mode', { exact: true })
  await expect(mode).toHaveValue('default')
  await mode.selectOption('plan')
  await expect(mode).toHaveValue('plan')
  await expect(page.getByText('Mode is now Plan only')).toBeVisible()
})

test('a turn is stopped', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Endless')
  agent.onPrompt = async () => agent.put({ worker_status: 'running' }).then(() => undefined)
  await signedIn(server, page)
  await open(server, page, agent)
  const box = page.getByRole('textbox', { name: 'Message to the agent' })
  await box.fill('Count to infinity')
  await box.press('Enter')
  await page.getByRole('button', { name: 'Stop the agent' }).click()
  await expect.poll(() => agent.interrupts.length).toBe(1)
})

test('hostile words are shown and never done', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Hostile <img src=x onerror=document.title=1>')
  await agent.say('<script>window.hacked = 1</script><img src="https://evil.test/x.png" onerror="window.hacked = 2">\n\n**bold** [link](javascript:window.hacked=3) ![pixel](https://evil.test/p.png)')
  await agent.say('[away](https://example.test/) `code` <div class="sheet" style="position:fixed;inset:0">over everything</div>')
  await agent.tool('Bash', { command: 'echo \u202Egnp.exe' }, '\u001b]0;title\u0007\u001b[2Jcleared? ' + 'x'.repeat(1_000_000))
  const elsewhere: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url) && !request.url().startsWith('data:')) elsewhere.push(request.url())
  })
  await signedIn(server, page)
  await open(server, page, agent)
  await expect(page.getByText('bold', { exact: true })).toBeVisible()
  await page.getByRole('button', { name: /^Bash/ }).click()
  await expect(page.getByText('‹U+202E›').first()).toBeVisible()
  await expect(page.getByText('cleared?')).toBeVisible()
  expect(await page.evaluate(() => (window as any).hacked)).toBeUndefined()
  expect(await page.locator('.log a').evaluateAll((links) => links.map((one) => one.getAttribute('href')))).toEqual(expect.not.arrayContaining([expect.stringContaining('javascript')]))
  expect(await page.locator('.log [style*=fixed], .log .sheet').count()).toBe(0)
  expect(elsewhere).toEqual([])
})

test('what an agent behind a link says reads the same', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Behind a link')
  await signedIn(server, page)
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
  await open(server, page, agent)
  await expect(page.locator('.bubble')).toHaveText('Make a file')
  await expect(page.locator('.said')).toHaveText('It is made.')
  await expect(page.locator('.streaming')).toHaveCount(0)
  await page.getByRole('button', { name: /^execute/ }).click()
  await expect(page.getByText('made it')).toBeVisible()
  await page.getByRole('button', { name: /^edit/ }).click()
  await expect(page.locator('.line-new')).toContainText('two')
  await expect(page.getByRole('region', { name: 'The agent asks' })).toContainText('echo hi > made.txt')
})
