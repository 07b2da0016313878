// Pictures and files that go with a message: picked, pasted, dropped, cut off on their way.

import { expect, test } from '@playwright/test'
import { begin, server, stage } from './stage'
import { accessible, box, DOT, open, pick, signedIn } from './steps'

stage()

test('pictures and files are picked, looked at, taken out, sent and read back', async ({ page }) => {
  const agent = await begin('Attachments')
  await signedIn(server, page)
  await open(server, page, agent)
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
  await signedIn(server, page)
  await open(server, page, agent)
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

test('what is attached in a tunnel survives a reload and a killed server, and is sent once', { tag: '@once' }, async ({ page, context }) => {
  const agent = await begin('Tunnel with a picture')
  await signedIn(server, page)
  await open(server, page, agent)
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
  await signedIn(server, page)
  await open(server, page, agent)
  const request = await agent.ask('Bash', { command: 'make' })
  await expect(page.getByRole('button', { name: 'Allow once' })).toBeVisible()
  // So slowly that it is under way for longer than the test is: what is seen and done meanwhile may take its time.
  const wire = await context.newCDPSession(page)
  await wire.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 20_000 })
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
