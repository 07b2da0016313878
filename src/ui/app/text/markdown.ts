// Markdown of an agent as HTML that does nothing: what it says may come from a web page or a file that wants to.

import DOMPurify from 'dompurify'
import { Marked, type Token } from 'marked'

const marked = new Marked({ gfm: true, breaks: false })

const TAGS = [
  'p', 'br', 'hr', 'strong', 'em', 'del', 'code', 'pre', 'blockquote', 'ul', 'ol', 'li', 'a',
  'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'kbd', 'sub', 'sup',
]
const ATTRIBUTES = ['href', 'title', 'class', 'align', 'start']

const purify = DOMPurify(window)

purify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName === 'A') {
    node.setAttribute('target', '_blank')
    node.setAttribute('rel', 'noopener noreferrer nofollow')
  } else if (node.tagName === 'CODE') {
    // Its language and nothing else: a class of ours would dress a message up as part of the app.
    const language = /\blanguage-[\w+#-]{1,20}\b/.exec(node.className)?.[0]
    if (language) node.className = language
    else node.removeAttribute('class')
  } else node.removeAttribute('class')
})

/** Beyond this a message is shown as plain text: no reader would see the difference, and every phone would. */
const MARKDOWN_MAX = 200_000
/** Signs of emphasis within one paragraph: each is looked for at every other, and this many take a blink. */
const SIGNS_MAX = 4_000

/** The text as HTML; nothing where formatting it would take longer than reading it, or does not end well. */
export function html(text: string): string | null {
  if (text.length > MARKDOWN_MAX || text.split(/\n\s*\n/).some((part) => (part.match(/[*_~]/g)?.length ?? 0) > SIGNS_MAX)) return null
  try {
    return clean(text)
  } catch {
    // Thousands of quotes within each other are more than the stack holds.
    return null
  }
}

function clean(text: string): string {
  // Raw HTML in it is shown as text, as agents mean it; an image would be fetched from wherever it says.
  const parsed = marked.parse(text, { async: false, walkTokens: defuse })
  return purify.sanitize(parsed, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  })
}

function defuse(token: Token): void {
  const words = (text: string) => ({ type: 'text', raw: text, text, escaped: false })
  if (token.type === 'html') {
    const isBlock = 'block' in token && token.block === true
    Object.assign(token, isBlock ? { type: 'paragraph', tokens: [words(token.raw.trim())] } : words(token.raw))
  } else if (token.type === 'image') {
    const name: string = token.text || token.href
    Object.assign(token, { type: 'link', tokens: [words(name)] })
  }
}

type Highlight = (code: string, language: string) => string | null
let loading: Promise<Highlight> | null = null

/** Colours for code. Loaded when the first code is shown, and never for what is too long to be read. */
export function highlighter(): Promise<Highlight> {
  loading ??= import('./highlight').then(
    (module) => module.highlight,
    () => {
      // No way there, or a server that was renewed: it stays without colours, and the next one asks again.
      loading = null
      return () => null
    },
  )
  return loading
}

export const HIGHLIGHT_MAX = 30_000
