// A session from within: sub-agents, what the agent offers, and its course.

import { expect, test } from '@playwright/test'
import type { Agent } from './agent'
import { begin, server, stage } from './stage'
import { accessible, another, box, DOT, open, pick, signedIn } from './steps'

stage()

test('a sub-agent works under the tool that called it, and not in between', async ({ page }) => {
  const agent = await begin('Delegation')
  await signedIn(server, page)
  await open(server, page, agent)
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

test('steps of a sub-agent whose call is on an earlier page stay together', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Long delegation')
  await agent.delegate('Read everything', 'Read all of it', async (within) => {
    for (let index = 0; index < 130; index++) await within.say(`Step ${index}`)
  }, null)
  await agent.say('Done with that')
  await signedIn(server, page)
  await open(server, page, agent)
  await expect(page.locator('.log-inner > .said')).toHaveText('Done with that')
  await expect(page.locator('.tool-agent')).toHaveCount(1)
  await page.locator('.tool-agent .tool-head').click()
  await expect(page.getByText('Step 129', { exact: true })).toBeVisible()
})

test('two sub-agents that write at the same time do not write into each other', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Two at once')
  await signedIn(server, page)
  await open(server, page, agent)
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
  await signedIn(server, page)
  await open(server, page, agent)
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

test('who has said nothing of commands is not made to offer any', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Silent')
  await signedIn(server, page)
  await open(server, page, agent)
  await box(page).pressSequentially('/x')
  await expect(page.getByText('This agent has not said which commands it has.')).toBeVisible()
  await expect(page.getByRole('listbox')).toHaveCount(0)
  await box(page).press('Enter')
  await expect.poll(() => agent.prompts).toEqual(['/x'])
})

test('the course that is shown is what the worker confirmed, and a refusal is said', async ({ page, browser }) => {
  const agent = await begin('Course')
  let go = () => {}
  agent.hesitation = new Promise<void>((resolve) => (go = resolve))
  agent.refuses.add('set_model')
  await signedIn(server, page)
  await open(server, page, agent)
  const phone = await another(server, browser)
  await open(server, phone.page, agent)
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

test('what an agent behind a link offers is what can be chosen and attached', { tag: '@once' }, async ({ page }) => {
  const agent = await begin('Behind a link, offers')
  await signedIn(server, page)
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
  await open(server, page, agent)
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
