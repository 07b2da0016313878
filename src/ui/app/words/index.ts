// What is said, in the reader's language. README.md says how to add a language.

import { computed, effect } from '@preact/signals'
import { kept } from '../state/kept'
import { en, type Word } from './en'
import { zh } from './zh'

export const LANGUAGES = { en: 'English', zh: '中文' } as const
export type Language = keyof typeof LANGUAGES

const CATALOGUES: Record<Language, Record<Word, string>> = { en, zh }

export const chosen = kept<Language | null>('language', null)

export const language = computed<Language>(() => {
  if (chosen.value && chosen.value in CATALOGUES) return chosen.value
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase())
  return (wanted.find((tag) => tag in CATALOGUES) as Language | undefined) ?? 'en'
})

/** The language as browsers and `Intl` call it; with the region of the reader's own browser where it is the same. */
const tag = computed(() => {
  const own = navigator.languages.find((one) => one.slice(0, 2).toLowerCase() === language.value)
  return language.value === 'zh' ? 'zh-Hans' : (own ?? language.value)
})

effect(() => {
  document.documentElement.lang = tag.value
})

const counting = computed(() => {
  const rules = new Intl.PluralRules(tag.value)
  const categories = rules.resolvedOptions().pluralCategories
  const order = (['zero', 'one', 'two', 'few', 'many', 'other'] as const).filter((one) => categories.includes(one))
  return (n: number) => order.indexOf(rules.select(n))
})

/** What the service worker says, it says in the language that was chosen here. */
effect(() => {
  const tag = language.value
  void globalThis.caches?.open('words').then((cache) => cache.put('/code/language', new Response(tag))).catch(() => undefined)
})

/** The words, with what belongs in them. */
export function t(word: Word, values: Record<string, string | number> = {}): string {
  const forms = CATALOGUES[language.value][word].split('|')
  const form = (typeof values.n === 'number' ? forms[counting.value(values.n)] : undefined) ?? forms.at(-1)!
  return form.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name] ?? ''
    return typeof value === 'number' ? number(value) : value
  })
}

export function number(value: number): string {
  return new Intl.NumberFormat(tag.value).format(value)
}

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const

/** A size as people compare it: three digits and a unit. */
export function bytes(value: number): string {
  const step = value < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(value) / 3))
  const options = { style: 'unit', unit: UNITS[step]!, unitDisplay: 'short', maximumSignificantDigits: 3 } as const
  return new Intl.NumberFormat(tag.value, options).format(value / 1000 ** step)
}

const SPANS = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1], ['millisecond', 0.001]] as const

/** A span in its largest whole unit. */
export function span(seconds: number): string {
  const [unit, length] = SPANS.find(([, length]) => seconds >= length) ?? SPANS.at(-1)!
  const most = unit === 'millisecond' || unit === 'second' ? 1 : 0
  const options = { style: 'unit', unit, unitDisplay: 'long', maximumFractionDigits: most } as const
  return new Intl.NumberFormat(tag.value, options).format(seconds / length)
}

/** To the second, with the day: for those who look something up. */
export function moment(at: string): string {
  return new Intl.DateTimeFormat(tag.value, { dateStyle: 'medium', timeStyle: 'medium' }).format(Date.parse(at))
}

/** The day of a moment that may lie ahead. */
export function day(at: string): string {
  return new Intl.DateTimeFormat(tag.value, { dateStyle: 'medium' }).format(Date.parse(at))
}

/** How long ago, or the date where that says more. */
export function ago(at: string, now: number): string {
  const seconds = Math.round((Date.parse(at) - now) / 1000)
  if (seconds > -45) return t('time.now')
  const relative = new Intl.RelativeTimeFormat(tag.value, { numeric: 'auto', style: 'short' })
  if (seconds > -3_600) return relative.format(Math.round(seconds / 60), 'minute')
  if (seconds > -86_400) return relative.format(Math.round(seconds / 3_600), 'hour')
  if (seconds > -6 * 86_400) return relative.format(Math.round(seconds / 86_400), 'day')
  return new Intl.DateTimeFormat(tag.value, { dateStyle: 'medium' }).format(Date.parse(at))
}

/** The time of a day, with the day where it is not today's. */
export function clock(at: string, now: number): string {
  const moment = new Date(at)
  const isToday = moment.toDateString() === new Date(now).toDateString()
  const options = isToday ? ({ timeStyle: 'short' } as const) : ({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' } as const)
  return new Intl.DateTimeFormat(tag.value, options).format(moment)
}
