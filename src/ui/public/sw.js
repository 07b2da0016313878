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
