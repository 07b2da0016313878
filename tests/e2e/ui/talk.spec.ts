// A session from within: looking back, sub-agents, what the agent offers, attachments, its course, its questions.

import { expect, test, type Page } from '@playwright/test'
import { Agent } from './agent'
import { conversation } from './scenes'
import { Server } from './server'
import { accessible, another, open as openIn, signedIn as signIn } from './steps'

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

const signedIn = (page: Page) => signIn(server, page)
const open = (page: Page, agent: Agent) => openIn(server, page, agent)
const box = (page: Page) => page.getByLabel('Message to the agent')
const IPHONE = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604'
const DOT = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')

async function pick(page: Page, ...files: { name: string; mimeType: string; buffer: Buffer }[]): Promise<void> {
  await page.locator('[data-pick=files]').setInputFiles(files)
}

test('a sub-agent works under the tool that called it, and not in between', async ({ page }) => {
  const agent = await begin('Delegation')
  await signedIn(page)
  await open(page, agent)
  let go = () => {}
  const wait = new Promise<void>((resolve) => (go = resolve))
  const working = agent.delegate('Find the callers', 'Look for callers of total()', async (within) => {
    await within.tool('Grep', { pattern: 'total\\(' }, 'src/invoice.ts:4')
    await within.say('Three places call it, two of them in tests.')
    await agent.say('Meanwhile in the conversation')
    await wait
    await within.tool('Read', { file_path: '/home/dev/shop/src/invoice.ts' }, 'import …')
  }, 'Called from invoice.ts')
  const row = page.locator('.tool-agent')
  await expect(row).toContainText('Find the callers')
  await expect(row.locator('.tool-last')).toHaveText('Three places call it, two of them in tests.')
  await expect(row.getByText('2 steps')).toBeVisible()
  await expect(page.locator('.log-inner > .said')).toHaveText('Meanwhile in the conversation')
  await expect(page.locator('.log-inner > .mine')).toHaveCount(0)
  go()
  await working
  await expect(row.getByText('3 steps')).toBeVisible()
  await expect(row.locator('.tool-last')).toHaveCount(0)
  await row.locator('.tool-head').first().click()
  await expect(row.locator('.steps .item')).toHaveCount(3)
  await expect(row.getByText('Look for callers of total()')).toHaveCount(1)
  await expect(row.getByText('Called from invoice.ts')).toBeVisible()
  await accessible(page)
  // The call itself is on an earlier page: its steps still do not spill into the conversation.
  await agent.bulk(200)
  await page.reload()
  await expect(page.getByText('Line 199', { exact: true })).toBeVisible()
})

test('steps of a sub-agent whose call is on an earlier page stay together', async ({ page }) => {
  const agent = await begin('Long delegation')
  await agent.delegate('Read everything', 'Read all of it', async (within) => {
    for (let index = 0; index < 130; index++) await within.say(`Step ${index}`)
  }, null)
  await agent.say('Done with that')
  await signedIn(page)
  await open(page, agent)
  await expect(page.locator('.log-inner > .said')).toHaveText('Done with that')
  await expect(page.locator('.tool-agent')).toHaveCount(1)
  await page.locator('.tool-agent .tool-head').click()
  await expect(page.getByText('Step 129', { exact: true })).toBeVisible()
})

test('two sub-agents that write at the same time do not write into each other', async ({ page }) => {
  const agent = await begin('Two at once')
  await signedIn(page)
  await open(page, agent)
  const ids = ['toolu_one', 'toolu_two']
  await agent.raw(ids.map((id) => ({ type: 'assistant', message: { id: `msg_${id}`, role: 'assistant', content: [{ type: 'tool_use', id, name: 'Agent', input: { description: `Look ${id}`, prompt: 'x' } }] }, parent_tool_use_id: null })))
  const piece = (id: string, event: object) => ({ type: 'stream_event', event, parent_tool_use_id: id })
  const both = (event: (id: string) => object) => agent.raw(ids.map((id) => piece(id, event(id))))
  await both((id) => ({ type: 'message_start', message: { id: `inner_${id}`, role: 'assistant', content: [] } }))
  await both(() => ({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }))
  for (const word of ['first', ' second', ' third']) await both((id) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: `${word} ${id}` } }))
  const rows = page.locator('.tool-agent')
  await expect(rows.nth(0).locator('.tool-last')).toHaveText('first toolu_one second toolu_one third toolu_one')
  await expect(rows.nth(1).locator('.tool-last')).toHaveText('first toolu_two second toolu_two third toolu_two')
  // What it came to takes the place of what streamed in.
  await agent.raw(ids.map((id) => ({ type: 'assistant', message: { id: `inner_${id}`, role: 'assistant', content: [{ type: 'text', text: `All of ${id}` }] }, parent_tool_use_id: id })))
  await expect(rows.nth(1).locator('.tool-last')).toHaveText('All of toolu_two')
  await expect(rows.nth(0).getByText('1 step', { exact: true })).toBeVisible()
  await expect(page.locator('.log-inner > .said')).toHaveCount(0)
})

test('commands are offered behind a slash, files behind an at sign, with the keyboard and by touch', async ({ page }) => {
  const agent = await begin('Offers')
  await agent.introduce(['compact', 'context', 'review', 'security-review'])
  // So far back that it is not on the first page.
  await agent.bulk(160)
  await agent.tool('Read', { file_path: '/home/dev/shop/src/checkout/total.ts' }, '…')
  await agent.tool('Edit', { file_path: '/home/dev/shop/src/invoice.ts', old_string: 'a', new_string: 'b' }, 'ok')
  await signedIn(page)
  await open(page, agent)
  await expect(page.getByText('Line 159', { exact: true })).toBeVisible()
  await box(page).pressSequentially('/co')
  const list = page.getByRole('listbox', { name: 'Commands of the agent' })
  await expect(list.getByRole('option')).toHaveText(['/compact', '/context'])
  await expect(page.getByRole('combobox', { name: 'Message to the agent' })).toHaveAttribute('aria-expanded', 'true')
  await expect(list.getByRole('option', { selected: true })).toHaveText('/compact')
  await accessible(page)
  await box(page).press('ArrowDown')
  await expect(list.getByRole('option', { selected: true })).toHaveText('/context')
  const active = await box(page).getAttribute('aria-activedescendant')
  await expect(page.locator(`[id="${active}"]`)).toHaveText('/context')
  await box(page).press('Enter')
  await expect(box(page)).toHaveValue('/context ')
  await expect(list).toBeHidden()
  expect(agent.prompts).toEqual([])
  await box(page).pressSequentially('and look at @tot')
  const files = page.getByRole('listbox', { name: 'Files of this conversation' })
  await expect(files.getByRole('option')).toHaveText(['@src/checkout/total.ts'])
  await expect(page.getByText('Only files that this conversation touched')).toBeVisible()
  await files.getByRole('option').click()
  await expect(box(page)).toHaveValue('/context and look at @src/checkout/total.ts ')
  await expect(box(page)).toBeFocused()
  await box(page).press('Enter')
  await expect.poll(() => agent.prompts).toEqual(['/context and look at @src/checkout/total.ts '])
  // Escape leaves the list and what was written.
  await box(page).pressSequentially('@')
  await expect(files).toBeVisible()
  await box(page).press('Escape')
  await expect(files).toBeHidden()
  await expect(box(page)).toHaveValue('@')
})

test('who has said nothing of commands is not made to offer any', async ({ page }) => {
  const agent = await begin('Silent')
  await signedIn(page)
  await open(page, agent)
  await box(page).pressSequentially('/x')
  await expect(page.getByText('This agent has not said which commands it has.')).toBeVisible()
  await expect(page.getByRole('listbox')).toHaveCount(0)
  await box(page).press('Enter')
  await expect.poll(() => agent.prompts).toEqual(['/x'])
})

test('pictures and files are picked, looked at, taken out, sent and read back', async ({ page }) => {
  const agent = await begin('Attachments')
  await signedIn(page)
  await open(page, agent)
  await pick(page, { name: 'dot.png', mimeType: 'image/png', buffer: DOT }, { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('remember the milk') }, { name: 'wrong.bin', mimeType: 'application/octet-stream', buffer: Buffer.from('x') })
  const list = page.getByRole('list', { name: 'Attached' })
  await expect(list.getByRole('listitem')).toHaveCount(3)
  await expect(list.locator('img.thumb')).toHaveCount(1)
  await list.getByRole('button', { name: 'Remove wrong.bin' }).click()
  await accessible(page)
  // Too large and empty ones say why.
  await pick(page, { name: 'huge.iso', mimeType: 'application/octet-stream', buffer: Buffer.alloc(10 * 1024 * 1024 + 1) }, { name: 'nothing.txt', mimeType: 'text/plain', buffer: Buffer.alloc(0) })
  await expect(page.getByText(/huge\.iso: larger than/)).toBeVisible()
  await expect(page.getByText('nothing.txt: is empty')).toBeVisible()
  // Picked and not sent: still there when the page comes back.
  await page.reload()
  await expect(list.getByRole('listitem')).toHaveCount(2)
  await box(page).fill('What is on it?')
  await box(page).press('Enter')
  await expect(list).toHaveCount(0)
  const mine = page.locator('.mine')
  await expect(mine).toContainText('Seen by the agent')
  expect(agent.prompts).toEqual(['What is on it?'])
  const names = agent.messages[0]!.file_attachments.map((file: { file_name: string }) => file.file_name)
  expect(names).toEqual(['dot.png', 'notes.txt'])
  const picture = mine.getByRole('button', { name: 'Look at dot.png' })
  await expect.poll(() => picture.locator('img').evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(1)
  expect(await picture.locator('img').getAttribute('src')).toMatch(/^\/api\/v1\/files\/file_[0-9a-f]{32}$/)
  await picture.click()
  await expect(page.getByRole('dialog', { name: 'dot.png' })).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(page.getByRole('dialog')).toHaveCount(0)
  const [download] = await Promise.all([page.waitForEvent('download'), mine.getByRole('link', { name: 'Download notes.txt' }).click()])
  expect(download.suggestedFilename()).toBe('notes.txt')
  const text = await (await download.createReadStream()).toArray()
  expect(Buffer.concat(text).toString()).toBe('remember the milk')
})

test('a picture is pasted, and one is dropped', async ({ page }) => {
  const agent = await begin('Paste and drop')
  await signedIn(page)
  await open(page, agent)
  const put = (kind: 'paste' | 'drop') => page.evaluate(([kind, bytes]) => {
    const data = new DataTransfer()
    data.items.add(new File([new Uint8Array(bytes as number[])], `${kind}.png`, { type: 'image/png' }))
    const target = kind === 'paste' ? document.querySelector('.composer textarea')! : document.querySelector('.log')!
    const init = { bubbles: true, cancelable: true }
    if (kind === 'paste') target.dispatchEvent(new ClipboardEvent('paste', { ...init, clipboardData: data }))
    else {
      target.dispatchEvent(new DragEvent('dragover', { ...init, dataTransfer: data }))
      target.dispatchEvent(new DragEvent('drop', { ...init, dataTransfer: data }))
    }
  }, [kind, [...DOT]] as const)
  await put('paste')
  await put('drop')
  await expect(page.locator('.attached-one')).toHaveCount(2)
  await page.getByRole('button', { name: 'Send' }).click()
  await expect.poll(() => agent.messages[0]?.file_attachments?.length).toBe(2)
  await expect(page.locator('.mine .picture')).toHaveCount(2)
})

test('what is attached in a tunnel survives a reload and a killed server, and is sent once', async ({ page, context }) => {
  const agent = await begin('Tunnel with a picture')
  await signedIn(page)
  await open(page, agent)
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
  await page.reload()
  await expect(page.getByText('Nothing was said yet.')).toBeVisible()
  await context.setOffline(true)
  await pick(page, { name: 'dot.png', mimeType: 'image/png', buffer: DOT })
  await box(page).fill('From the tunnel')
  await box(page).press('Enter')
  await expect(page.locator('.is-later img.thumb')).toHaveCount(1)
  await expect(page.getByText('Will be sent when there is a connection')).toBeVisible()
  await server.kill()
  await page.reload()
  await server.launch()
  let posts = 0
  let lost = 0
  await page.route('**/messages', async (route) => {
    posts++
    if (lost++ > 0) return route.continue()
    // The server has it; the phone never hears of that.
    await route.fetch()
    await route.abort('connectionreset')
  })
  await context.setOffline(false)
  await expect.poll(() => agent.prompts, { timeout: 30_000 }).toEqual(['From the tunnel'])
  await expect(page.locator('.mine')).toContainText('Seen by the agent')
  await expect(page.locator('.mine')).toHaveCount(1)
  expect(agent.messages).toHaveLength(1)
  const [file] = agent.messages[0]!.file_attachments
  const stored = await fetch(`${server.url}/api/oauth/files/${file.file_uuid}/content`, { headers: { authorization: `Bearer ${server.key}` } })
  expect(Buffer.from(await stored.arrayBuffer()).equals(DOT)).toBe(true)
  // Nothing of it stays behind in the browser.
  await expect.poll(() => page.evaluate(() => new Promise((resolve) => {
    const opening = indexedDB.open('rcs', 1)
    opening.onsuccess = () => {
      const count = opening.result.transaction('blobs').objectStore('blobs').count()
      count.onsuccess = () => resolve(count.result)
    }
  }))).toBe(0)
  expect(posts).toBeGreaterThan(0)
})

test('a file that takes its time says how far it is, does not hold up a decision, and can be taken back', async ({ page, context }) => {
  const agent = await begin('Slow upload')
  await signedIn(page)
  await open(page, agent)
  const request = await agent.ask('Bash', { command: 'make' })
  await expect(page.getByRole('button', { name: 'Allow once' })).toBeVisible()
  const wire = await context.newCDPSession(page)
  await wire.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 100_000 })
  await pick(page, { name: 'video.mp4', mimeType: 'video/mp4', buffer: Buffer.alloc(3_000_000) })
  await box(page).fill('Look at this')
  await box(page).press('Enter')
  const bar = page.getByRole('progressbar', { name: 'video.mp4 is on its way' })
  await expect.poll(() => bar.evaluate((element: HTMLProgressElement) => element.value)).toBeGreaterThan(0)
  await accessible(page)
  await page.getByRole('button', { name: 'Allow once' }).click()
  expect(await agent.answerTo(request)).toMatchObject({ behavior: 'allow' })
  await expect(bar).toBeVisible()
  await page.locator('.is-later').getByRole('button', { name: 'Cancel' }).click()
  // What comes next does not wait for what nobody wants any more.
  await box(page).fill('Never mind')
  await box(page).press('Enter')
  await expect.poll(() => agent.prompts).toEqual(['Never mind'])
  await expect(page.locator('.is-later')).toHaveCount(0)
})

test('the course that is shown is what the worker confirmed, and a refusal is said', async ({ page, browser }) => {
  const agent = await begin('Course')
  let go = () => {}
  agent.hesitation = new Promise<void>((resolve) => (go = resolve))
  agent.refuses.add('set_model')
  await signedIn(page)
  await open(page, agent)
  const phone = await another(server, browser, IPHONE)
  await open(phone.page, agent)
  await expect(page.getByLabel('Thinking')).toHaveValue('')
  await page.getByLabel('Thinking').selectOption('4000')
  await expect(page.getByText('Short asked for by you, not confirmed yet')).toBeVisible()
  await expect(phone.page.getByText(/Short asked for by Chrom.*, not confirmed yet/)).toBeVisible()
  await expect(page.getByLabel('Thinking')).toHaveValue('')
  go()
  await expect(page.getByLabel('Thinking')).toHaveValue('4000')
  expect(agent.controls[0]).toMatchObject({ subtype: 'set_max_thinking_tokens', max_thinking_tokens: 4000 })
  await page.getByLabel('Model').selectOption('opus')
  await expect(page.getByText('opus was refused: no set_model here')).toBeVisible()
  await expect(page.getByLabel('Model')).toHaveValue('claude-sonnet-4-6')
  agent.refuses.clear()
  await page.getByLabel('Model').selectOption('Another…')
  await page.getByRole('dialog').getByRole('textbox').fill('my-own-model')
  await page.getByRole('dialog').getByRole('button', { name: 'OK' }).click()
  await expect(page.getByLabel('Model')).toHaveValue('my-own-model')
  await accessible(page)
  await phone.context.close()
})

test('what the agent proposes to allow for good is one of its own ways, and goes back as it came', async ({ page }) => {
  const agent = await begin('Ways')
  await signedIn(page)
  await open(page, agent)
  const rules = { type: 'addRules', rules: [{ toolName: 'Bash', ruleContent: 'npm test:*' }], behavior: 'allow', destination: 'localSettings' }
  const request = await agent.ask('Bash', { command: 'npm test -- total' }, { permission_suggestions: [rules, { type: 'setMode', mode: 'acceptEdits', destination: 'session' }, { type: 'addRules', rules: [{ toolName: 'Bash' }], behavior: 'deny', destination: 'session' }], decision_reason: 'This command requires approval' })
  const sheet = page.getByRole('region', { name: 'The agent asks' })
  await expect(sheet).toContainText('This command requires approval')
  await sheet.getByText('More ways to allow').click()
  const ways = sheet.locator('.way')
  await expect(ways).toHaveText(['Always allow Bash(npm test:*)in this project, on that machine', 'Allow, and switch to “Accept edits”in this session'])
  for (const way of await ways.all()) expect((await way.boundingBox())!.height).toBeGreaterThanOrEqual(44)
  await accessible(page)
  await ways.first().click()
  expect(await agent.answerTo(request)).toMatchObject({ behavior: 'allow', updatedPermissions: [rules] })
  await expect(sheet).toBeHidden()
})

test('a card that somebody else closed says who it was', async ({ page, browser }) => {
  const agent = await begin('Elsewhere')
  await signedIn(page)
  await open(page, agent)
  const phone = await another(server, browser, IPHONE)
  await agent.ask('WebFetch', { url: `https://example.test/${'path/'.repeat(60)}?q=1`, prompt: 'Read it' })
  const sheet = page.getByRole('region', { name: 'The agent asks' })
  await expect(sheet).toContainText('?q=1')
  await open(phone.page, agent)
  await phone.page.getByRole('button', { name: 'Allow once' }).click()
  await expect(page.getByRole('status').filter({ hasText: 'Answered by Safari, iPhone: allowed' })).toBeVisible()
  await expect(sheet).toBeHidden()
  await phone.context.close()
})

test('a change of thousands of lines says that there is more of it before it is allowed', async ({ page }) => {
  const agent = await begin('Huge edit')
  await signedIn(page)
  await open(page, agent)
  const lines = (word: string) => Array.from({ length: 1_500 }, (_, index) => `${word} ${index}`).join('\n')
  await agent.ask('Edit', { file_path: '/x.txt', old_string: 'x', new_string: lines('new') })
  const sheet = page.getByRole('region', { name: 'The agent asks' })
  await sheet.getByRole('button', { name: /Show \d+ more lines/ }).click()
  await expect(sheet.getByText('new 1499', { exact: true })).toHaveCount(1)
})

test('a session is looked at as it was, by whom and from where it was decided, and nothing can be done there', async ({ page, browser }) => {
  const agent = await begin('Replay')
  await signedIn(page)
  const phone = await another(server, browser, IPHONE)
  await conversation(agent)
  const first = await agent.ask('Bash', { command: 'make deploy' })
  await open(phone.page, agent)
  await phone.page.getByRole('button', { name: 'Deny…' }).click()
  await phone.page.getByRole('textbox', { name: /What should the agent do/ }).fill('Not on a Friday')
  await phone.page.getByRole('button', { name: 'Deny', exact: true }).click()
  await agent.answerTo(first)
  await agent.say('Then on Monday')
  await open(page, agent)
  await expect(page.getByText('Then on Monday')).toBeVisible()
  await page.getByRole('button', { name: 'Actions' }).click()
  await page.getByRole('link', { name: 'Look back' }).click()
  await expect(page.getByText('This is the past.')).toBeVisible()
  await expect(page.getByText('Then on Monday')).toBeVisible()
  await expect(page.getByLabel('Message to the agent')).toHaveCount(0)
  const slider = page.getByRole('slider', { name: 'Moment' })
  const last = Number(await slider.getAttribute('max'))
  await page.getByRole('button', { name: 'Previous decision' }).click()
  await expect(page.locator('.moment')).toContainText('Denied by Safari, iPhone')
  await expect(page.getByText('“Not on a Friday”').or(page.locator('q', { hasText: 'Not on a Friday' })).first()).toBeVisible()
  await expect(page.getByText('Then on Monday')).toHaveCount(0)
  await page.getByRole('button', { name: 'Previous decision' }).click()
  // As it was before: open, and still no button to decide it with.
  await expect(page.locator('.moment')).toContainText('The agent asks to use Bash by the agent')
  await expect(page.locator('.moment')).toContainText('1 question open')
  await expect(page.getByRole('button', { name: 'Allow once' })).toHaveCount(0)
  await accessible(page)
  await page.getByRole('button', { name: 'Previous message' }).click()
  await expect(page.locator('.bubble')).toContainText('The checkout total ignores quantities')
  await expect(page.locator('.said')).toHaveCount(0)
  await slider.focus()
  await page.keyboard.press('End')
  await expect(page.getByText('Then on Monday')).toBeVisible()
  await page.keyboard.press('ArrowLeft')
  await expect(slider).toHaveAttribute('aria-valuetext', new RegExp(`\\d+:\\d+:\\d+.*, event ${last - 1} of ${last}$`))
  // A moment has an address.
  await expect(page).toHaveURL(new RegExp(`/replay#${last - 1}$`))
  await page.reload()
  await expect(slider).toHaveValue(String(last - 1))
  await page.keyboard.press('Home')
  await slider.focus()
  await page.keyboard.press('Home')
  await page.getByLabel('Speed').selectOption('64')
  await page.getByRole('button', { name: 'Play' }).click()
  await expect(page.getByText('Then on Monday')).toBeVisible({ timeout: 20_000 })
  await expect(page.getByRole('button', { name: 'Play' })).toBeVisible()
  await page.getByRole('link', { name: 'Back to now' }).last().click()
  await expect(page.getByLabel('Message to the agent')).toBeVisible()
  await phone.context.close()
})

test('looking back goes on after the server was killed and the network cut', async ({ page, context }) => {
  const agent = await begin('Replay through trouble')
  await agent.bulk(600)
  await signedIn(page)
  // Nothing but the first page is there when the network goes.
  let isCut = false
  await page.route('**/events?**', (route) => (isCut ? route.abort() : /after=0&/.test(route.request().url()) && !isCut ? route.abort() : route.continue()))
  await page.goto(`${server.url}/code/${agent.id}/replay`)
  await expect(page.getByText('Line 599', { exact: true })).toBeVisible()
  isCut = true
  await server.kill()
  const slider = page.getByRole('slider')
  await slider.focus()
  await page.keyboard.press('Home')
  await expect(page.getByRole('alert')).toContainText('No connection')
  await server.launch()
  isCut = false
  await page.unroute('**/events?**')
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByText('Nothing was said yet.')).toBeVisible()
  await expect(page.getByRole('alert')).toHaveCount(0)
  await page.getByRole('button', { name: 'Next event' }).click()
  await context.setOffline(false)
})

test('what an agent behind a link offers is what can be chosen and attached', async ({ page }) => {
  const agent = await begin('Behind a link, offers')
  await signedIn(page)
  const by = { type: 'worker', id: agent.id }
  const event = (sequence: number, kind: string, data: object, payload: unknown) => ({ sequence, position: 1, at: '2026-01-01T00:00:00Z', kind, by, data, payload })
  const update = (update: object) => ({ type: 'session_update', payload: { sessionId: 'x', update } })
  const said = (sequence: number, kind: string, payload: unknown) => event(sequence, 'message_received', { kind, ephemeral: false, message: null }, payload)
  const child = (id: string) => ({ sessionUpdate: 'tool_call', toolCallId: id, kind: 'read', title: `Read ${id}`, status: 'completed', locations: [{ path: `/src/${id}.ts` }], _meta: { claudeCode: { toolName: 'Read', parentToolUseId: 'call_task' } } })
  const events = [
    event(1, 'session_bound', { session: agent.id, foreign: 'x' }, { type: 'session_created', payload: { sessionId: 'x', promptCapabilities: { image: true, embeddedContext: false }, models: { currentModelId: 'm1', availableModels: [{ modelId: 'm1', name: 'Model One' }, { modelId: 'm2', name: 'Model Two' }] }, modes: { currentModeId: 'auto', availableModes: [{ id: 'auto', name: 'Auto' }, { id: 'careful', name: 'Careful' }] } } }),
    said(2, 'system', update({ sessionUpdate: 'available_commands_update', availableCommands: [{ name: 'deep-research', description: 'Looks everywhere' }] })),
    said(3, 'assistant', update({ sessionUpdate: 'tool_call', toolCallId: 'call_task', kind: 'think', title: 'Task', status: 'in_progress', _meta: { claudeCode: { toolName: 'Task' } } })),
    said(4, 'assistant', update(child('one'))),
    said(5, 'assistant', update(child('two'))),
  ]
  await page.route(`**/sessions/${agent.id}/events?**`, (route) => {
    if (route.request().headers().accept?.includes('event-stream')) return route.abort()
    return route.fulfill({ json: { events, next: 5, latest: 5, earliest: 1, epoch: 'x' } })
  })
  const posted: { content: { type: string; mimeType?: string }[] }[] = []
  await page.route('**/messages', (route) => {
    posted.push(route.request().postDataJSON())
    return route.fulfill({ status: 201, json: { message_id: route.request().postDataJSON().message_id, sequence: 6, state: 'accepted' } })
  })
  await open(page, agent)
  await expect(page.locator('.tool-agent').getByText('2 steps')).toBeVisible()
  await expect(page.locator('.log-inner > .item')).toHaveCount(1)
  await expect(page.getByLabel('Mode', { exact: true }).locator('option')).toHaveText(['Ask each time', 'Auto', 'Careful'])
  await expect(page.getByLabel('Model').locator('option')).toContainText(['Model One', 'Model Two'])
  await box(page).fill('/')
  await expect(page.getByRole('listbox').getByRole('option')).toHaveText(['/deep-researchLooks everywhere'])
  await box(page).fill('@o')
  await expect(page.getByRole('listbox').getByRole('option').first()).toHaveText('@/src/one.ts')
  await box(page).fill('Look')
  await pick(page, { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('x') })
  await expect(page.getByRole('alert')).toContainText('This agent does not take files.')
  await expect(page.getByRole('button', { name: 'Send' })).toBeDisabled()
  await page.getByRole('button', { name: 'Remove notes.txt' }).click()
  await pick(page, { name: 'dot.png', mimeType: 'image/png', buffer: DOT })
  await box(page).press('Enter')
  await expect.poll(() => posted[0]?.content.map((block) => block.mimeType ?? block.type)).toEqual(['text', 'image/png'])
})

test('a drag over twenty thousand events stays smooth, and opening them is quick', async ({ page }, info) => {
  const agent = await begin('Twenty thousand, looked back on')
  await agent.bulk(20_000)
  await signedIn(page)
  await page.getByRole('link', { name: /looked back on/ }).waitFor()
  const requests: string[] = []
  page.on('request', (request) => request.url().includes('/api/v1/') && requests.push(request.url().replace(server.url, '')))
  const opened = await page.evaluate(async () => {
    const link = [...document.querySelectorAll('a')].find((one) => one.textContent?.includes('looked back on'))!
    const began = performance.now()
    link.click()
    while (![...document.querySelectorAll('.said')].some((one) => one.textContent?.trim() === 'Line 19999')) await new Promise(requestAnimationFrame)
    return Math.round(performance.now() - began)
  })
  info.annotations.push({ type: 'opened', description: `${opened} ms, ${requests.length} requests` })
  console.log(`${info.project.name}: opened in ${opened} ms with ${requests.join(' ')}`)
  // From its address, with everything that is fetched before: measured from where the browser began.
  await page.goto(`${server.url}/code/${agent.id}`)
  const cold = await page.waitForFunction(() => [...document.querySelectorAll('.said')].some((one) => one.textContent?.trim() === 'Line 19999') && performance.now(), undefined, { polling: 'raf' })
  console.log(`${info.project.name}: opened from its address in ${Math.round(Number(await cold.jsonValue()))} ms`)
  await page.goto(`${server.url}/code/${agent.id}/replay`)
  await expect(page.getByText('Line 19999', { exact: true })).toBeVisible()
  await expect(page.getByText('reading the log')).toHaveCount(0, { timeout: 60_000 })
  const drag = await page.evaluate(async () => {
    const slider = document.querySelector<HTMLInputElement>('input[type=range]')!
    const frames: number[] = []
    let nodes = 0
    const seen = new Set<string>()
    let before = performance.now()
    for (let step = 0; step <= 120; step++) {
      slider.valueAsNumber = Math.round(20_000 * (1 - step / 120))
      slider.dispatchEvent(new Event('input', { bubbles: true }))
      await new Promise(requestAnimationFrame)
      frames.push(performance.now() - before)
      nodes = Math.max(nodes, document.querySelectorAll('.item').length)
      seen.add([...document.querySelectorAll('.said')].at(-1)?.textContent ?? '')
      before = performance.now()
    }
    frames.sort((one, other) => one - other)
    return { median: Math.round(frames[60]!), p95: Math.round(frames[114]!), most: Math.round(frames[120]!), nodes, moments: seen.size }
  })
  console.log(`${info.project.name}: drag ${JSON.stringify(drag)}`)
  expect(drag.nodes).toBeLessThan(200)
  // Nearly every step of it was drawn, and not only where it came to rest.
  expect(drag.moments).toBeGreaterThan(60)
  await page.getByRole('slider').fill('10000')
  await expect(page.getByText(/^Line 99\d\d$/).last()).toBeVisible()
})
