// Keeps the shell, so that the app opens at once and in a tunnel; what it then shows and sends is the app's own business.
// Answers of the API are never kept: they are somebody's conversations, and old ones would be taken for new ones.

// Filled in by the build. Other files make another worker, which waits until the page says that it may take over.
const VERSION = '{{version}}'
const FILES = ['{{files}}']
const CACHE = `shell-${VERSION}`

self.addEventListener('install', (event) => event.waitUntil(keepShell()))
self.addEventListener('activate', (event) => event.waitUntil(takeOver()))
self.addEventListener('message', (event) => {
  if (event.data === 'take-over') void self.skipWaiting()
})
self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  if (event.request.method !== 'GET' || url.origin !== location.origin || !url.pathname.startsWith('/code')) return
  // Every path is a place within the one page.
  event.respondWith(shell(event.request.mode === 'navigate' ? '/code/' : event.request))
})

/** All of a version or nothing of it: a page of one and a script of another do not go together. */
async function keepShell() {
  const cache = await caches.open(CACHE)
  const names = ['/code/', ...FILES.map((name) => `/code/${name}`)]
  await cache.addAll(names.map((name) => new Request(name, { cache: 'no-cache' })))
}

async function takeOver() {
  const names = await caches.keys()
  await Promise.all(names.filter((name) => name.startsWith('shell') && name !== CACHE).map((name) => caches.delete(name)))
  await self.clients.claim()
}

async function shell(request) {
  const cache = await caches.open(CACHE)
  return (await cache.match(request)) ?? fetch(request)
}

// --- notifications ----------------------------------------------------------------------------------------------------

const ANSWER = '/api/v1/notifications/answer'
const TARGETS = '/api/v1/notifications/targets'

const WORDS = {
  en: {
    allow: 'Allow',
    deny: 'Deny',
    open: 'Open',
    asks: (tool, title) => `${tool}? ${title}`,
    cut: 'Open it to see all of it.',
    allowed: (by) => (by ? `Allowed by ${by}` : 'Allowed'),
    denied: (by) => (by ? `Denied by ${by}` : 'Denied'),
    cancelled: 'The agent took the question back',
    turn: 'The agent is done',
    test: 'Notifications arrive here.',
    failed: 'Your answer did not arrive',
    offline: 'No connection. Open the session and answer there.',
    first: (verdict) => `Somebody was first: ${verdict}.`,
  },
  zh: {
    allow: '允许',
    deny: '拒绝',
    open: '打开',
    asks: (tool, title) => `${tool}？${title}`,
    cut: '打开以查看全部内容。',
    allowed: (by) => (by ? `${by} 已允许` : '已允许'),
    denied: (by) => (by ? `${by} 已拒绝` : '已拒绝'),
    cancelled: '智能体收回了问题',
    turn: '智能体已完成',
    test: '通知可以送达。',
    failed: '你的答复没有送达',
    offline: '没有连接。请打开会话作答。',
    first: (verdict) => `已有人先答复：${verdict}。`,
  },
}

/** In the language that was chosen in the app. */
async function words() {
  const kept = await (await caches.open('words')).match('/code/language').catch(() => undefined)
  const tag = kept ? await kept.text() : (self.navigator.language ?? 'en').slice(0, 2)
  return WORDS[tag] ?? WORDS.en
}

self.addEventListener('push', (event) => {
  let told = null
  try {
    told = event.data?.json()
  } catch {
    // Not ours; browsers want something shown all the same.
  }
  event.waitUntil(tell(told ?? { kind: 'test', tag: 'test', path: '/code/', waiting: 0 }))
})

async function tell(told) {
  const say = await words()
  const title = told.session_title ?? 'RCS'
  const session = /session_[0-9a-f]{32}/.exec(told.path)?.[0]
  const common = { tag: told.tag, icon: '/code/icon-192.png', badge: '/code/icon-192.png', data: { path: told.path, session } }
  void self.navigator.setAppBadge?.(told.waiting).catch(() => undefined)
  if (told.kind === 'permission') {
    const deny = told.token ? [{ action: 'deny', title: say.deny }] : []
    const first = told.token && told.may_allow ? { action: 'allow', title: say.allow } : { action: 'open', title: say.open }
    const body = told.may_allow ? told.text : [told.text, say.cut].filter(Boolean).join('\n')
    return self.registration.showNotification(say.asks(told.tool, title), {
      ...common,
      body,
      renotify: true,
      requireInteraction: true,
      actions: [first, ...deny],
      data: { ...common.data, token: told.token },
    })
  }
  if (told.kind === 'settled') {
    // Under the same tag: it takes the place of the question, and makes no sound.
    const body = told.verdict === 'allow' ? say.allowed(told.by) : told.verdict === 'deny' ? say.denied(told.by) : say.cancelled
    const open = await self.clients.matchAll({ type: 'window' })
    if (open.some((client) => client.visibilityState === 'visible')) return close(told.tag)
    return self.registration.showNotification(title, { ...common, body, silent: true })
  }
  const body = told.kind === 'turn' ? say.turn : say.test
  return self.registration.showNotification(title, { ...common, body })
}

async function close(tag) {
  for (const one of await self.registration.getNotifications({ tag })) one.close()
}

self.addEventListener('notificationclick', (event) => {
  const { action, notification } = event
  notification.close()
  const { path = '/code/', token } = notification.data ?? {}
  const answers = token && (action === 'allow' || action === 'deny')
  event.waitUntil(answers ? decide(action, token, path, notification) : show(path))
})

/** Gives the answer; where it does not arrive, says why and opens the session. */
async function decide(decision, token, path, notification) {
  const say = await words()
  let why = say.offline
  try {
    const answer = await fetch(ANSWER, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      credentials: 'omit',
      body: JSON.stringify({ token, decision }),
    })
    if (answer.ok) return
    const problem = await answer.json().catch(() => null)
    const winner = problem?.winner
    // The same answer came first, maybe this one, whose reply was lost: what was wanted is so.
    if (winner?.verdict === decision) return
    why = winner ? say.first(winner.verdict === 'allow' ? say.allowed() : say.denied()) : (problem?.detail ?? answer.statusText)
  } catch {
    // No way there.
  }
  await self.registration.showNotification(say.failed, { tag: notification.tag, body: why, icon: '/code/icon-192.png', data: { path } })
  await show(path).catch(() => undefined)
}

/** In a window that is there already, if one is. */
async function show(path) {
  const open = await self.clients.matchAll({ type: 'window' })
  const client = open.find((one) => new URL(one.url).pathname === path) ?? open[0]
  if (!client) return self.clients.openWindow(path)
  client.postMessage({ go: path })
  return client.focus()
}

/** The browser got another address: told at once, because nobody may open a page for days. */
self.addEventListener('pushsubscriptionchange', (event) => {
  event.waitUntil(
    (async () => {
      const options = event.oldSubscription?.options ?? { userVisibleOnly: true }
      const fresh = event.newSubscription ?? (await self.registration.pushManager.subscribe(options))
      const { endpoint, keys } = fresh.toJSON()
      const body = JSON.stringify({ kind: 'web_push', endpoint, p256dh: keys.p256dh, auth: keys.auth })
      await fetch(TARGETS, { method: 'POST', headers: { 'content-type': 'application/json' }, credentials: 'same-origin', body })
    })(),
  )
})
