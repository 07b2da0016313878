// Pictures of every screen, for people to look at: in target/e2e-ui/shots, and nowhere in git.

import { expect, test, type Page } from '@playwright/test'
import type { Agent } from './agent'
import { conversation, EDIT, machine } from './scenes'
import { Server } from './server'
import { begin, server, stage } from './stage'
import { faults, link, settled, signedIn } from './steps'

const at: Record<string, string> = {}
let home = ''

stage()

test.beforeAll(async () => {
  const topic = { kind: 'ntfy', url: 'https://ntfy.sh/hush', name: 'Pager', answers: true }
  await server.ask('POST', '/api/v1/notifications/targets', topic)
  await server.ask('POST', '/api/v1/notifications/targets', { kind: 'webhook', url: 'https://hooks.shop.test/agents', turns: true })
  const laptop = await machine(server, 'laptop', '/home/dev/shop', 'fix-total')
  const desk = await machine(server, 'workstation', '/srv/relay', 'main')
  home = desk
  const make = async (title: string, home?: string) => {
    const agent = await begin(title, home)
    at[title] = agent.id
    return agent
  }
  const idle = await make('Summarise the last release', desk)
  await idle.say('Done.')
  const working = await make('Speed up the search index', desk)
  await working.put({ worker_status: 'running' })
  await working.say('Reading the index code first.')
  const off = await make('Migrate the blog', laptop)
  await off.say('Until later.')
  off.end()
  const total = await make('Fix the checkout total', laptop)
  await conversation(total)
  const asks = await make('Deploy the fix to staging', laptop)
  await asks.typed('Deploy it to staging, then tell me what the smoke test says.')
  await asks.say('The build is green. I need your word before I touch staging.')
  await asks.ask('Bash', { command: 'kubectl --context staging rollout restart deploy/shop &&\n  ./scripts/smoke.sh https://staging.shop.test', description: 'Restart the shop on staging and run the smoke test' })
  const edits = await make('Rename the cart module', laptop)
  await edits.ask('Edit', EDIT)
  const choice = await make('Choose a storage engine', desk)
  await choice.ask('AskUserQuestion', { questions: [{ question: 'Which database should the service use?', header: 'Storage', multiSelect: false, options: [{ label: 'SQLite', description: 'One file, no server, one writer' }, { label: 'Postgres', description: 'A server to run, many writers' }] }] })
  const ways = await make('Run the tests', laptop)
  await ways.ask('Bash', { command: 'npm test -- --coverage', description: 'Run all tests' }, { decision_reason: 'This command requires approval', permission_suggestions: [{ type: 'addRules', rules: [{ toolName: 'Bash', ruleContent: 'npm test:*' }], behavior: 'allow', destination: 'localSettings' }, { type: 'setMode', mode: 'acceptEdits', destination: 'session' }] })
  await rich(await make('Fix the totals, with help', laptop))
  const plan = await make('Plan the import', desk)
  await plan.ask('ExitPlanMode', { plan: '# Import in three steps\n\n1. **Read** the export in pieces of 10 MB\n2. **Check** each row against the schema; bad rows go to `rejects.csv`\n3. **Write** in batches of 500 within one transaction\n\nNothing is deleted before step 3 is through.' })
})

/** A session with everything that may go with one. */
async function rich(agent: Agent): Promise<void> {
  await agent.introduce(['compact', 'context', 'init', 'pr-comments', 'review', 'security-review', 'release-notes', 'summary'])
  await conversation(agent)
  await agent.delegate('Find who calls total()', 'Look through the repository for callers of `total()` and say which of them are not tests.', async (within) => {
    await within.tool('Grep', { pattern: 'total\\(' }, 'src/invoice.ts:4\nsrc/cart.ts:19')
    await within.tool('Read', { file_path: '/home/dev/shop/src/invoice.ts' }, 'import { total } from "./checkout/total"')
    await within.say('Two places call it: `invoice.ts` and `cart.ts`.')
  }, 'invoice.ts and cart.ts call it.')
  await agent.delegate('Check the invoices', 'Read the last ten invoices.', async (within) => {
    await within.tool('Bash', { command: 'ls invoices | tail -10' }, '2026-10.json')
    await within.tool('Read', { file_path: '/home/dev/shop/invoices/2026-10.json' }, '{}')
  }, null)
}

const LOOKS = {
  light: { colorScheme: 'light', contrast: 'no-preference', forcedColors: 'none' },
  dark: { colorScheme: 'dark', contrast: 'no-preference', forcedColors: 'none' },
  contrast: { colorScheme: 'light', contrast: 'more', forcedColors: 'none' },
  'contrast-dark': { colorScheme: 'dark', contrast: 'more', forcedColors: 'none' },
  forced: { colorScheme: 'dark', contrast: 'no-preference', forcedColors: 'active' },
} as const

type Look = keyof typeof LOOKS
type Shot = (name: string) => Promise<void>

/** What each look is held against: all rules once, and then what only colours can do wrong. */
async function wrong(page: Page, look: Look): Promise<string[]> {
  // Where the system chooses the colours, what is read from the styles is not what is seen.
  if (look === 'forced') return []
  return faults(page, look === 'light' ? [] : ['color-contrast'])
}

/** Takes a picture of what is there in each look, and holds it against what those need who do not see or point. */
function camera(page: Page, project: string, looks: readonly Look[]): Shot {
  return async (name) => {
    for (const look of looks) {
      await page.emulateMedia({ ...LOOKS[look], reducedMotion: 'reduce' })
      await settled(page)
      expect.soft(await wrong(page, look), `${name}, ${look}`).toEqual([])
      await page.screenshot({ path: `../../../target/e2e-ui/shots/${name}-${project}-${look}.png` })
    }
    if (looks.includes('forced')) await repainted(page)
  }
}

/** Chromium keeps the black behind a page from forced colours until the page's own root is drawn anew. */
async function repainted(page: Page): Promise<void> {
  await page.emulateMedia({ ...LOOKS.light, reducedMotion: 'reduce' })
  await page.evaluate(async () => {
    const frame = () => new Promise(requestAnimationFrame)
    document.documentElement.hidden = true
    await frame()
    await frame()
    document.documentElement.hidden = false
  })
}

/** A group of screens, each in all of these looks. The page changes between them as it does when the system changes. */
function group(name: string, looks: readonly Look[], take: (page: Page, shot: Shot) => Promise<void>, isIn = true): void {
  test(name, async ({ page }, info) => {
    test.setTimeout(240_000)
    await page.emulateMedia({ ...LOOKS.light, reducedMotion: 'reduce' })
    const problems: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error' && !/401|ERR_(INTERNET_DISCONNECTED|INCOMPLETE_CHUNKED_ENCODING|CONNECTION_REFUSED)/.test(message.text())) problems.push(message.text())
    })
    if (isIn) await signedIn(server, page)
    await take(page, camera(page, info.project.name, looks))
    // A style or a script that the policy of the page refuses is said there, and nowhere else.
    expect(problems).toEqual([])
  })
}

const TWO = ['light', 'dark'] as const
const ALL = Object.keys(LOOKS) as Look[]

group('being let in', ALL, async (page, shot) => {
  await page.goto(`${server.url}/code/`)
  await page.getByRole('heading').waitFor()
  await shot('01-login')
  const once = await link(server)
  await page.goto(once)
  await page.locator('.session-card').first().waitFor()
  await shot('03-home')
  await page.context().clearCookies()
  await page.goto('about:blank')
  await page.goto(once)
  await page.getByRole('alert').waitFor()
  await shot('02-link-expired')
}, false)

group('a conversation', TWO, async (page, shot) => {
  await session(page, 'Fix the checkout total')
  await shot('08-session')
  await page.getByRole('button', { name: /^Edit/ }).click()
  await page.getByRole('button', { name: /^Bash/ }).click()
  await page.getByRole('log').evaluate((element) => element.scrollTo(0, 0))
  await shot('09-tools')
})

group('what is most often decided', ALL, async (page, shot) => {
  await session(page, 'Deploy the fix to staging')
  await shot('10-approve')
})

group('what an agent asks', TWO, async (page, shot) => {
  await session(page, 'Deploy the fix to staging')
  await page.getByRole('button', { name: 'Deny…' }).click()
  await shot('11-deny')
  await session(page, 'Rename the cart module')
  await shot('12-edit')
  await session(page, 'Choose a storage engine')
  await page.getByText('SQLite').click()
  await shot('13-question')
  await session(page, 'Plan the import')
  await shot('14-plan')
  await session(page, 'Run the tests')
  await page.getByText('More ways to allow').click()
  await shot('15-ways')
})

group('notifications and what else is not a session', ALL, async (page, shot) => {
  await page.goto(`${server.url}/code/notifications`)
  await page.getByText('Pager').waitFor()
  await shot('30-notifications')
  await page.goto(`${server.url}/code/share?title=Stack%20trace&text=TypeError%3A%20total%20is%20not%20a%20function&url=https%3A%2F%2Fci.test%2Fruns%2F812`)
  await page.locator('.row-button').first().waitFor()
  await shot('31-share')
  await page.goto(`${server.url}/code/`)
  await page.locator('.session-card').first().waitFor()
  await page.keyboard.press('?')
  await shot('32-shortcuts')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Menu' }).click()
  await shot('33-menu')
})

group('in Chinese', TWO, async (page, shot) => {
  await page.evaluate(() => localStorage.setItem('rcs.language', '"zh"'))
  await page.goto(`${server.url}/code/`)
  await page.locator('.session-card').first().waitFor()
  await shot('60-zh-home')
  await session(page, 'Fix the checkout total')
  await shot('61-zh-session')
  await session(page, 'Deploy the fix to staging')
  await shot('62-zh-approve')
  await admin(page, 'machines')
  await page.locator('.machine summary').first().click()
  await shot('63-zh-machines')
  await page.goto(`${server.url}/code/notifications`)
  await page.getByText('Pager').waitFor()
  await shot('64-zh-notifications')
  await page.goto(`${server.url}/code/new`)
  await page.getByRole('radio').first().waitFor()
  await shot('65-zh-new')
})

group('helpers, commands and files of a session', TWO, withHelp)

group('what goes with a message', TWO, withFiles)

group('a session as it was', TWO, asItWas)

group('the list and what begins there', TWO, async (page, shot) => {
  await page.locator('.session-card').first().waitFor()
  await server.ask('PATCH', `/api/v1/sessions/${at['Speed up the search index']}`, { pinned: true })
  await page.getByRole('heading', { name: 'Pinned' }).waitFor()
  await page.getByRole('button', { name: 'More for Speed up the search index' }).click()
  await shot('04-row-menu')
  await page.keyboard.press('Escape')
  await page.getByRole('searchbox').fill('total')
  await page.locator('.hit').first().waitFor()
  await shot('05-search')
  await page.getByRole('searchbox').fill('')
  await page.getByRole('button', { name: 'Select', exact: true }).click()
  await page.getByRole('checkbox', { name: /Migrate the blog/ }).click()
  await page.getByRole('checkbox', { name: /Summarise/ }).click()
  await shot('06-select')
  await page.keyboard.press('Escape')
  await page.getByRole('checkbox', { name: 'Archived' }).click()
  await page.locator('#group-archived').waitFor()
  await shot('07-archived')
  await page.goto(`${server.url}/code/new`)
  await page.getByRole('radio', { name: /workstation/ }).check()
  await page.getByLabel('First prompt').fill('Find out why the nightly build takes twice as long since Tuesday.\n\nBegin with the cache; change nothing yet.')
  await expect(page.getByRole('button', { name: 'Start session' })).toBeEnabled()
  await shot('34-new')
  const begun = await server.ask('POST', '/api/v1/sessions', { environment_id: home, title: 'Find out why the build is slow', prompt: 'Find out why the nightly build takes twice as long.' })
  await page.goto(`${server.url}/code/${begun.id}`)
  await page.getByText('Waiting for workstation').waitFor()
  await shot('35-awaiting')
  await server.ask('POST', `/api/v1/sessions/${begun.id}/archive`)
  const fresh = await Server.start()
  await page.goto(await link(fresh))
  await page.locator('.empty-code').waitFor()
  await shot('36-empty')
  await fresh.end()
})

async function withHelp(page: Page, shot: Shot): Promise<void> {
  await session(page, 'Fix the totals, with help')
  await shot('16-sub-agents')
  await page.locator('.tasks summary').click()
  await page.getByRole('button', { name: /^Thinking/ }).click()
  await page.getByRole('button', { name: /^Edit/ }).click()
  await page.getByRole('log').evaluate((element) => element.scrollTo(0, 0))
  await shot('17-folds-open')
  await page.locator('.tasks summary').click()
  await page.getByRole('log').evaluate((element) => element.scrollTo(0, element.scrollHeight))
  await page.locator('.tool-agent .tool-head').first().click()
  await page.locator('.tool-agent').first().scrollIntoViewIfNeeded()
  await shot('18-sub-agent-open')
  const box = page.getByLabel('Message to the agent')
  await box.fill('/re')
  await shot('19-commands')
  await box.fill('Compare @')
  await shot('20-files')
}

async function withFiles(page: Page, shot: Shot): Promise<void> {
  await session(page, 'Fix the totals, with help')
  const box = page.getByLabel('Message to the agent')
  await box.fill('Is this the total that you see?')
  const picture = await page.screenshot({ clip: { x: 0, y: 0, width: 360, height: 240 } })
  await page.locator('[data-pick=files]').setInputFiles([{ name: 'screenshot.png', mimeType: 'image/png', buffer: picture }, { name: 'checkout log of last night.txt', mimeType: 'text/plain', buffer: Buffer.from('x'.repeat(5_300)) }])
  await page.locator('.attached .thumb').first().waitFor()
  await shot('21-attached')
  await box.press('Enter')
  await page.locator('.mine .file').last().waitFor()
  await shot('22-attachments')
  await page.locator('.mine .picture').last().click()
  await shot('23-lightbox')
  await page.keyboard.press('Escape')
  await page.context().setOffline(true)
  await page.locator('[data-pick=files]').setInputFiles([{ name: 'screenshot.png', mimeType: 'image/png', buffer: picture }])
  await box.fill('And this one from the tunnel')
  await box.press('Enter')
  await page.locator('.is-later .thumb').waitFor()
  await shot('24-offline')
  await page.context().setOffline(false)
  await page.locator('.is-later').waitFor({ state: 'detached' })
}

async function asItWas(page: Page, shot: Shot): Promise<void> {
  await page.goto(`${server.url}/code/${at['Fix the totals, with help']}/replay`)
  await page.locator('.scrubber').waitFor()
  await shot('25-replay')
  await page.getByRole('button', { name: 'Previous message' }).click()
  await page.getByRole('button', { name: 'Previous message' }).click()
  await page.getByRole('button', { name: 'Previous message' }).click()
  await shot('26-replay-beginning')
}

group('keys of a server', ALL, async (page, shot) => {
  await admin(page, 'keys')
  await page.locator('.admin .row').first().waitFor()
  await shot('40-keys')
  await page.getByRole('button', { name: 'New key' }).click()
  await page.getByRole('textbox', { name: 'Name' }).fill('Build machine')
  await shot('41-new-key')
  await page.getByRole('button', { name: 'Make the key' }).click()
  await page.getByText('For ccb').click()
  await page.getByRole('button', { name: 'Let a phone in' }).click()
  await page.getByRole('img', { name: 'QR' }).waitFor()
  await shot('42-secret')
  await page.getByRole('button', { name: 'I have kept it' }).click()
  await page.getByRole('button', { name: 'Revoke: Build machine' }).click()
  await shot('43-revoke')
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
})

group('devices and machines of a server', ALL, async (page, shot) => {
  await admin(page, 'devices')
  await page.getByRole('button', { name: 'Add a device' }).click()
  await page.getByRole('img', { name: 'QR' }).waitFor()
  await shot('44-devices')
  await admin(page, 'machines')
  await page.locator('.machine summary').first().click()
  await shot('45-machines')
  await admin(page, 'streams')
  await page.getByText('There are no subscriptions.').waitFor()
  await shot('46-streams')
})

group('storage and audit of a server', ALL, async (page, shot) => {
  await admin(page, 'storage')
  await page.getByRole('button', { name: 'Verify now' }).click()
  await page.getByText('Clean:').waitFor()
  await shot('47-storage')
  await page.locator('.commits').scrollIntoViewIfNeeded()
  await page.locator('.admin').evaluate((element) => element.scrollTo(0, 1e6))
  await shot('48-storage-end')
  await admin(page, 'audit')
  await page.locator('.audit summary').nth(1).click()
  await shot('49-audit')
})

async function admin(page: Page, tab: string): Promise<void> {
  await page.goto(`${server.url}/code/admin/${tab}`)
  await page.locator('.tabs').waitFor()
}

async function session(page: Page, title: string): Promise<void> {
  await page.goto(`${server.url}/code/${at[title]}`)
  await page.getByRole('log').waitFor()
  await page.locator('.item').first().waitFor()
}
