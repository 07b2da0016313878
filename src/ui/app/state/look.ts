// How it looks, as this browser's user wants it, and the minute that it is.

import { effect, signal } from '@preact/signals'
import { kept } from './kept'

export const theme = kept<'auto' | 'light' | 'dark'>('theme', 'auto')

export const contrast = kept<'auto' | 'more'>('contrast', 'auto')
const wantsMore = matchMedia('(prefers-contrast: more)')
const systemContrast = signal(wantsMore.matches)
wantsMore.addEventListener('change', () => {
  systemContrast.value = wantsMore.matches
})
const wantsDark = matchMedia('(prefers-color-scheme: dark)')
const systemDark = signal(wantsDark.matches)
wantsDark.addEventListener('change', () => {
  systemDark.value = wantsDark.matches
})

effect(() => {
  const root = document.documentElement
  root.dataset.theme = theme.value
  root.dataset.contrast = contrast.value === 'more' || systemContrast.value ? 'more' : 'normal'
  // The bar of the phone above the page; the page's own two tags only know the system's wish.
  const isDark = theme.value === 'dark' || (theme.value === 'auto' && systemDark.value)
  for (const tag of document.querySelectorAll('meta[name="theme-color"]')) {
    tag.removeAttribute('media')
    tag.setAttribute('content', isDark ? '#1a1c1f' : '#ffffff')
  }
})

/** Ticks often enough for "3 min ago". */
export const now = signal(Date.now())
setInterval(() => {
  now.value = Date.now()
}, 20_000)

export const drafts = kept<Record<string, string>>('drafts', {})
