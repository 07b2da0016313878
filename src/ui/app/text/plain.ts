// Foreign text as text: what a terminal would act on, and what turns the direction of reading, is taken out or shown.

// eslint-disable-next-line no-control-regex
const ANSI = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[ -/]+[0-~]|\u001b[0-Z\\-~]/g
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g
/** Marks that reorder text, and such as take no place: a command would read other than it runs. */
const TURNS = /[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu

/** Without terminal codes; marks that nobody sees are shown as what they are, so that a command reads as it runs. */
export function plain(text: string): string {
  return text
    .replace(ANSI, '')
    .replace(/\r\n?/g, '\n')
    .replace(CONTROL, '')
    .replace(TURNS, (mark) => `‹U+${mark.codePointAt(0)!.toString(16).toUpperCase()}›`)
}

// eslint-disable-next-line no-control-regex
const CODES = /[\u0000-\u0008\u000b-\u001f]/g

/** As it is, with everything that would not be seen shown: what is asked to be allowed runs with what a terminal hides. */
export function exact(text: string): string {
  const named = (mark: string) => `‹U+${mark.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}›`
  return text
    .replace(/\r\n/g, '\n')
    .replace(CODES, (code) => String.fromCharCode(0x2400 + code.charCodeAt(0)))
    .replace(/[\u007f-\u009f]/g, named)
    .replace(TURNS, named)
}

export function size(characters: number): string {
  return characters < 1_000 ? `${characters}` : characters < 1_000_000 ? `${Math.round(characters / 1_000)} k` : `${(characters / 1e6).toFixed(1)} M`
}

export async function copy(text: string): Promise<void> {
  try {
    return await navigator.clipboard.writeText(text)
  } catch {
    // Plain HTTP on another host than this has no clipboard, and some browsers let no page write there.
  }
  const area = document.createElement('textarea')
  area.value = text
  area.style.position = 'fixed'
  area.style.opacity = '0'
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}
