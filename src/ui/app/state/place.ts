// Where in the app one is: the path is the state, so that every place has a link and Back works.

import { signal } from '@preact/signals'

export const ADMIN_TABS = ['keys', 'machines', 'streams', 'storage', 'audit'] as const
export type AdminTab = (typeof ADMIN_TABS)[number]

export type Place =
  | { name: 'admin'; tab: AdminTab }
  | { name: 'share' }
  | { name: 'waiting' }
  | { name: 'home' }
  | { name: 'new'; environment?: string }
  | { name: 'session'; id: string; at?: number }
  | { name: 'replay'; id: string }
  | { name: 'devices' }
  | { name: 'notifications' }
  | { name: 'login' }

const ROOT = '/code/'

function parse({ pathname, search }: { pathname: string; search: string }): Place {
  const [first, second] = pathname.slice(ROOT.length).split('/')
  const asked = new URLSearchParams(search)
  if (first === 'admin' && second === 'devices') return { name: 'devices' }
  if (first === 'admin') return { name: 'admin', tab: ADMIN_TABS.find((tab) => tab === second) ?? 'keys' }
  if (first === 'share' || first === 'waiting') return { name: first }
  if (first === 'login') return { name: 'login' }
  if (first === 'devices') return { name: 'devices' }
  if (first === 'notifications') return { name: 'notifications' }
  if (first === 'new') {
    const environment = asked.get('at')
    return { name: 'new', ...(environment && /^env_[0-9a-f]{32}$/.test(environment) ? { environment } : {}) }
  }
  if (first && /^session_[0-9a-f]{32}$/.test(first)) {
    if (second === 'replay') return { name: 'replay', id: first }
    const at = Number(asked.get('at'))
    return { name: 'session', id: first, ...(Number.isSafeInteger(at) && at > 0 ? { at } : {}) }
  }
  return { name: 'home' }
}

export const place = signal<Place>(parse(location))

addEventListener('popstate', () => {
  place.value = parse(location)
})

export function pathOf(to: Place): string {
  if (to.name === 'admin') return `${ROOT}admin/${to.tab}`
  if (to.name === 'replay') return `${ROOT}${to.id}/replay`
  if (to.name === 'new') return `${ROOT}new${to.environment ? `?at=${to.environment}` : ''}`
  if (to.name === 'session') return `${ROOT}${to.id}${to.at ? `?at=${to.at}` : ''}`
  return ROOT + (to.name === 'home' ? '' : to.name)
}

export function go(to: Place, replace = false): void {
  const path = pathOf(to)
  if (replace) history.replaceState(null, '', path)
  else if (path !== location.pathname + location.search) history.pushState(null, '', path)
  place.value = to
}

/** Where a notification leads. */
export function goTo(path: string): void {
  if (path.startsWith(ROOT)) go(parse(new URL(path, location.origin)))
}

/** For links: real ones, so that they open in tabs, without a load where they need none. */
export function follow(to: Place) {
  return {
    href: pathOf(to),
    onClick: (event: MouseEvent) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return
      event.preventDefault()
      go(to)
    },
  }
}
