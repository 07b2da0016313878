// Foreign JSON, looked at without trusting it: what is not of the kind that it should be is empty.

export type Raw = Record<string, unknown>

export const record = (value: unknown): Raw => (value && typeof value === 'object' && !Array.isArray(value) ? (value as Raw) : {})
export const text = (value: unknown): string => (typeof value === 'string' ? value : '')
export const list = (value: unknown): Raw[] => (Array.isArray(value) ? value.map(record) : [])

/** Text of a foreign message: a string, or blocks of which some are text. */
export function contentText(content: unknown): string {
  if (typeof content === 'string') return content
  return list(content).map((block) => text(block.text)).filter(Boolean).join('\n\n')
}

/** What can be drawn and cannot hold a script. */
export const IMAGE_TYPES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp'])

/** Pictures within a message, as agents of either kind write them. */
export function contentImages(content: unknown): string[] {
  return list(content).flatMap((block) => {
    const source = record(block.source)
    const type = text(source.media_type) || text(block.mimeType)
    const data = text(source.data) || text(block.data)
    // Only from the message itself: a URL would tell its host who looks.
    return IMAGE_TYPES.has(type) && /^[A-Za-z0-9+/=\s]+$/.test(data) ? [`data:${type};base64,${data}`] : []
  })
}
