// Foreign text as text: what a terminal would act on, and what turns the direction of reading, is taken out or shown.

// eslint-disable-next-line no-control-regex
const ANSI = /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)|\u001b[@-Z\\-_]/g
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g
const TURNS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Without terminal codes; marks that reorder text are shown as what they are, so that a command reads as it runs. */
export function plain(text: string): string {
  return text
    .replace(ANSI, '')
    .replace(/\r\n/g, '\n')
    .replace(CONTROL, '')
    .replace(TURNS, (mark) => `‹U+${mark.codePointAt(0)!.toString(16).toUpperCase()}›`)
}

export function size(characters: number): string {
  return characters < 1_000 ? `${characters}` : characters < 1_000_000 ? `${Math.round(characters / 1_000)} k` : `${(characters / 1e6).toFixed(1)} M`
}

export async function copy(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text)
  // Plain HTTP on another host than this has no clipboard.
  const area = document.createElement('textarea')
  area.value = text
  area.style.position = 'fixed'
  area.style.opacity = '0'
  document.body.append(area)
  area.select()
  document.execCommand('copy')
  area.remove()
}
