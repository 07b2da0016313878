// Keeps the shell, so that the app opens in a tunnel; what it then shows and sends is the app's own business. Answers of
// the API are never kept: they are somebody's conversations, and old ones would be taken for new ones.

const CACHE = 'shell'

self.addEventListener('install', (event) => {
  event.waitUntil(
    (async () => {
      const cache = await caches.open(CACHE)
      await keepShell(cache, await fetch('/code/', { cache: 'no-cache' }))
      await self.skipWaiting()
    })(),
  )
})

self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

/** The page and every file that it names; files of earlier releases go. */
async function keepShell(cache, page) {
  if (!page.ok) return
  const text = await page.clone().text()
  const names = [...new Set([...text.matchAll(/(?:src|href)="(\/code\/[^"]+)"/g)].map((match) => match[1]))]
  await Promise.all(
    names.map(async (name) => {
      if (await cache.match(name)) return
      const file = await fetch(name)
      if (file.ok) await cache.put(name, file)
    }),
  )
  await cache.put('/code/', page)
}

self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  if (event.request.method !== 'GET' || url.origin !== location.origin || !url.pathname.startsWith('/code')) return
  event.respondWith(event.request.mode === 'navigate' ? page() : file(event.request))
})

/** The newest page there is: the server's, or where it cannot be reached the one that was kept. */
async function page() {
  const cache = await caches.open(CACHE)
  try {
    const answer = await fetch('/code/', { cache: 'no-cache', signal: AbortSignal.timeout(4000) })
    if (answer.ok) {
      await keepShell(cache, answer.clone())
      return answer
    }
  } catch {
    // No way there.
  }
  return (await cache.match('/code/')) ?? Response.error()
}

/** Files with a digest in their names never change; the others are asked for and kept for when they cannot be. */
async function file(request) {
  const cache = await caches.open(CACHE)
  const kept = await cache.match(request)
  const isFixed = new URL(request.url).pathname.startsWith('/code/assets/')
  if (kept && isFixed) return kept
  try {
    const answer = await fetch(request)
    if (answer.ok) await cache.put(request, answer.clone())
    return answer
  } catch (error) {
    if (kept) return kept
    throw error
  }
}
