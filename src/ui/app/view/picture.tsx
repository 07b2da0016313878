// Pictures and files of a conversation: drawn from the message itself or from our own server, and from nowhere else.

import { Download, FileText, ImageOff, X } from 'lucide-preact'
import { signal, useSignal } from '@preact/signals'
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks'
import { pictureType, urlOf } from '../state/files'
import type { Attached } from '../state/items'
import { plain } from '../text/plain'
import { t } from '../words'

const looked = signal<{ source: string; name: string } | null>(null)

export function Picture({ source, name }: { source: string; name: string }) {
  const broken = useSignal(false)
  if (broken.value) {
    return <p class="quiet small picture-broken"><ImageOff size={16} aria-hidden="true" /> {t('picture.broken', { name })}</p>
  }
  return (
    <button type="button" class="picture" aria-label={t('picture.open', { name })} onClick={() => (looked.value = { source, name })}>
      <img src={source} alt={name} loading="lazy" decoding="async" onError={() => (broken.value = true)} />
    </button>
  )
}

/** What was attached to a prompt. */
export function Files({ files }: { files: Attached[] }) {
  if (files.length === 0) return null
  return (
    <div class="files">
      {files.map((file) => (pictureType(file.name) ? <Picture key={file.uuid} source={urlOf(file.uuid)} name={plain(file.name)} /> : (
        <a key={file.uuid} class="file" href={urlOf(file.uuid)} download={file.name} aria-label={t('attach.download', { name: plain(file.name) })}>
          <FileText size={18} aria-hidden="true" />
          <bdi>{plain(file.name)}</bdi>
          <Download size={16} aria-hidden="true" />
        </a>
      )))}
    </div>
  )
}

/** One picture as large as the screen; Escape and a tap beside it close it. */
export function Lightbox() {
  const dialog = useRef<HTMLDialogElement>(null)
  const now = looked.value
  useLayoutEffect(() => {
    if (now && !dialog.current?.open) dialog.current?.showModal()
  }, [now])
  // Whoever goes back from a picture leaves it: it is no part of the next session.
  useEffect(() => () => {
    looked.value = null
  }, [])
  if (!now) return null
  // By the dialog itself, which gives the focus back.
  const close = () => dialog.current?.close()
  return (
    <dialog ref={dialog} class="lightbox" aria-label={now.name} onClose={() => (looked.value = null)} onClick={(event) => event.target === event.currentTarget && close()}>
      <button type="button" class="icon-button" aria-label={t('picture.close')} onClick={close}><X size={22} aria-hidden="true" /></button>
      <img src={now.source} alt={now.name} />
      <p class="small"><bdi>{now.name}</bdi></p>
    </dialog>
  )
}
