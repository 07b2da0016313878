// What goes with a message: picked, pasted or dropped, seen before it is sent, and taken out again.

import { Camera, CircleAlert, FileText, Paperclip, X } from 'lucide-preact'
import { signal, useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { forgetBlob, readBlob } from '../state/blobs'
import { attach, attached, detach, FILE_BYTES_MAX, FILES_MAX, INLINE_BYTES_MAX, sent, type Picked } from '../state/files'
import { onLeave } from '../state/me'
import type { Offers } from '../state/offers'
import { IMAGE_TYPES } from '../state/parts'
import { plain } from '../text/plain'
import { bytes, t } from '../words'

/** What was refused, by session: it is said until the next try. */
const refused = signal<Record<string, string[]>>({})
onLeave(() => {
  refused.value = {}
})

export async function take(session: string, files: readonly File[]): Promise<void> {
  const words = { size: t('attach.size', { size: bytes(FILE_BYTES_MAX) }), count: t('attach.count', { n: FILES_MAX }), empty: t('attach.empty'), memory: t('attach.memory') }
  const problems = await attach(session, files)
  refused.value = { ...refused.value, [session]: problems.map(({ name, why }) => `${plain(name)}: ${words[why]}`) }
}

/** Why this agent cannot be sent this file; nothing if it can. */
export function objection(offers: Offers, files: readonly Picked[]): string {
  if (!offers.isLink.value || files.length === 0) return ''
  const prompts = offers.prompts.value
  if (!prompts) return t('attach.unknown')
  if (!prompts.image && files.some((file) => IMAGE_TYPES.has(file.type))) return t('attach.no.images')
  if (!prompts.resource && files.some((file) => !IMAGE_TYPES.has(file.type))) return t('attach.no.files')
  const size = files.reduce((sum, file) => sum + file.size, 0)
  return size > INLINE_BYTES_MAX ? t('attach.inline', { size: bytes(INLINE_BYTES_MAX) }) : ''
}

export function AttachButtons({ session }: { session: string }) {
  const files = useRef<HTMLInputElement>(null)
  const camera = useRef<HTMLInputElement>(null)
  const picked = (event: { currentTarget: HTMLInputElement }) => {
    const chosen = [...(event.currentTarget.files ?? [])]
    // The same file again is a change, too.
    event.currentTarget.value = ''
    void take(session, chosen)
  }
  return (
    <>
      <input ref={files} type="file" multiple hidden data-pick="files" onChange={picked} />
      <input ref={camera} type="file" accept="image/*" capture="environment" hidden data-pick="camera" onChange={picked} />
      <button type="button" class="icon-button" aria-label={t('attach.pick')} title={t('attach.pick')} onClick={() => files.current?.click()}>
        <Paperclip size={20} aria-hidden="true" />
      </button>
      <button type="button" class="icon-button only-touch" aria-label={t('attach.camera')} onClick={() => camera.current?.click()}>
        <Camera size={20} aria-hidden="true" />
      </button>
    </>
  )
}

export function AttachedNow({ session, offers }: { session: string; offers: Offers }) {
  const files = attached.value[session] ?? []
  const why = objection(offers, files)
  const problems = refused.value[session] ?? []
  return (
    <>
      {files.length > 0 && (
        <ul class="attached" aria-label={t('attach.list')}>
          {files.map((file) => (
            <li key={file.id} class="attached-one">
              <Preview file={file} />
              <span class="attached-name"><bdi>{plain(file.name)}</bdi><span class="quiet"> {bytes(file.size)}</span></span>
              <button type="button" class="icon-button" aria-label={t('attach.remove', { name: plain(file.name) })} onClick={() => detach(session, file.id).forEach((gone) => void forgetBlob(gone.id))}>
                <X size={18} aria-hidden="true" />
              </button>
            </li>
          ))}
        </ul>
      )}
      {[...problems, ...(why ? [why] : [])].map((line) => (
        <p key={line} class="problem small" role="alert"><CircleAlert size={14} aria-hidden="true" /> {line}</p>
      ))}
    </>
  )
}

/** A small picture of what is not sent yet, or a sign for what is none. */
export function Preview({ file }: { file: Picked }) {
  const url = useSignal('')
  useEffect(() => {
    if (!IMAGE_TYPES.has(file.type)) return
    let isGone = false
    void readBlob(file.id).then((blob) => {
      if (blob && !isGone) url.value = URL.createObjectURL(blob)
    })
    return () => {
      isGone = true
      if (url.value) URL.revokeObjectURL(url.value)
    }
  }, [file.id])
  return url.value ? <img class="thumb" src={url.value} alt="" /> : <span class="thumb"><FileText size={20} aria-hidden="true" /></span>
}

/** Files of a message that is on its way. */
export function OnTheirWay({ files }: { files: Picked[] }) {
  return (
    <ul class="attached">
      {files.map((file) => {
        const share = sent.value[file.id]
        return (
          <li key={file.id} class="attached-one">
            <Preview file={file} />
            <span class="attached-name"><bdi>{plain(file.name)}</bdi><span class="quiet"> {bytes(file.size)}</span></span>
            {share !== undefined && <progress value={share} max={1} aria-label={t('attach.progress', { name: plain(file.name) })} />}
          </li>
        )
      })}
    </ul>
  )
}

export const dropping = signal(false)

/** Files that are dragged over a session, and let go. */
export function dropOn(session: string) {
  const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false
  return {
    onDragOver: (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      dropping.value = true
    },
    onDragLeave: (event: DragEvent) => {
      if (!(event.currentTarget as Node).contains(event.relatedTarget as Node | null)) dropping.value = false
    },
    onDrop: (event: DragEvent) => {
      dropping.value = false
      if (!hasFiles(event)) return
      event.preventDefault()
      void take(session, [...(event.dataTransfer?.files ?? [])])
    },
  }
}
