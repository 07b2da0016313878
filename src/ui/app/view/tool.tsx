// What an agent did, on one line that opens; and the same in full, which is what a question about it shows.

import { Bot, CircleAlert, CircleCheck, FilePen, FileText, Globe, ListTodo, LoaderCircle, Search, Terminal, Wrench } from 'lucide-preact'
import { useSignal, type Signal } from '@preact/signals'
import type { ComponentChildren } from 'preact'
import type { Change } from '../state/acp'
import type { Item, Tool } from '../state/items'
import { list, text, type Raw as Input } from '../state/parts'
import { exact, plain } from '../text/plain'
import { t } from '../words'
import { Diff } from './diff'
import { Picture } from './picture'
import { Code, Markdown, Output } from './rich'

const ICONS: Record<string, typeof Wrench> = {
  Bash: Terminal, PowerShell: Terminal, Edit: FilePen, MultiEdit: FilePen, Write: FilePen, NotebookEdit: FilePen,
  execute: Terminal, edit: FilePen, delete: FilePen, move: FilePen, read: FileText, search: Search, fetch: Globe, think: ListTodo,
  Read: FileText, Grep: Search, Glob: Search, WebSearch: Globe, WebFetch: Globe, TodoWrite: ListTodo, Task: Bot, Agent: Bot,
}

/** The one thing that tells this use of a tool from the next. */
export function subject(name: string, input: Input): string {
  switch (name) {
    case 'TodoWrite':
      return Array.isArray(input.todos) ? `${list(input.todos).filter((todo) => todo.status === 'completed').length}/${input.todos.length}` : ''
    case 'Task':
    case 'Agent':
      return text(input.description) || text(input.prompt)
    case 'AskUserQuestion':
      return list(input.questions).map((one) => text(one.question)).filter(Boolean).join(' \u00b7 ')
    case 'ExitPlanMode':
      return text(input.plan).trim().split('\n')[0]!.replace(/^#+ /, '')
    default:
      return text(input.command) || text(input.file_path) || text(input.notebook_path) || text(input.pattern) || text(input.url) ||
        text(input.query) || text(input.path) || text(input.description) || ''
  }
}

interface RowProps {
  tool: Tool
  /** How a step of a sub-agent is drawn; that is the conversation's business. */
  draw: (item: Signal<Item>) => ComponentChildren
}

/** The name that a row shows: a word that the agent gave, unless it says nothing. */
function nameOf(tool: Tool): string {
  return tool.name === 'other' ? t('item.tool') : plain(tool.name)
}

export function ToolRow({ tool, draw }: RowProps) {
  const open = useSignal(false)
  const Icon = tool.steps ? Bot : (ICONS[tool.name] ?? Wrench)
  const state = tool.result === null ? 'running' : tool.result.isError ? 'failed' : 'done'
  const steps = tool.steps?.value ?? []
  return (
    <div class={`tool tool-${state}${tool.steps ? ' tool-agent' : ''}`}>
      <button class="tool-head" aria-expanded={open.value} onClick={() => (open.value = !open.value)}>
        <Icon size={16} aria-hidden="true" />
        <span class="tool-name">{nameOf(tool)}</span>
        <bdi class="tool-subject">{exact(tool.title || subject(tool.name, tool.input)).split('\n')[0]}</bdi>
        {steps.length > 0 && <span class="tag tool-count">{t('item.steps', { n: steps.length })}</span>}
        {state === 'running' ? <LoaderCircle class="spin" size={16} aria-hidden="true" /> : state === 'failed' ? <CircleAlert class="bad" size={16} aria-hidden="true" /> : <CircleCheck class="good" size={16} aria-hidden="true" />}
        <span class="sr">{t(`item.${state}`)}</span>
      </button>
      {!open.value && state === 'running' && steps.length > 0 && <LastLine item={steps.at(-1)!} />}
      {open.value && (
        <div class="tool-body">
          <ToolInput name={tool.name} input={tool.input} changes={tool.changes} />
          {steps.length > 0 && <Steps steps={steps} draw={draw} />}
          {tool.result && (tool.result.text ? <Output text={tool.result.text} /> : tool.result.images.length === 0 && <p class="quiet small">{t('item.output.none')}</p>)}
          {tool.result?.images.map((source, index) => <Picture key={index} source={source} name={t('item.image', { n: index + 1 })} />)}
        </div>
      )}
    </div>
  )
}

/** Steps that are drawn at first; a sub-agent may take hundreds. */
const STEPS_FIRST = 100

function Steps({ steps, draw }: { steps: Signal<Item>[]; draw: RowProps['draw'] }) {
  const all = useSignal(false)
  const shown = all.value ? steps : steps.slice(-STEPS_FIRST)
  return (
    <div class="steps" role="group" aria-label={t('item.steps', { n: steps.length })}>
      {shown.length < steps.length && <button class="more" onClick={() => (all.value = true)}>{t('item.steps.all', { n: steps.length })}</button>}
      {shown.map(draw)}
    </div>
  )
}

/** What a sub-agent does at the moment. */
function LastLine({ item }: { item: Signal<Item> }) {
  const it = item.value
  const words = it.kind === 'tool' ? `${nameOf(it)} ${it.title || subject(it.name, it.input)}` : 'text' in it ? it.text : ''
  return <p class="tool-last small"><bdi>{plain(words).trim().split('\n').at(-1)?.slice(0, 300)}</bdi></p>
}

const EXTENSIONS: Record<string, string> = { rs: 'rust', py: 'python', yml: 'yaml', md: 'markdown', rb: 'ruby', h: 'c', html: 'xml', svg: 'xml', vue: 'xml' }

function languageOf(path: string): string {
  const extension = /\.(\w+)$/.exec(path)?.[1] ?? ''
  return EXTENSIONS[extension] ?? extension
}

/** All of what goes into it, as what it is. */
export function ToolInput({ name, input, changes = [] }: { name: string; input: Input; changes?: Change[] }) {
  if (changes.length > 0) {
    return (
      <>
        {changes.map((change, index) => (
          <div key={index}>
            <p class="path"><bdi>{exact(change.path)}</bdi></p>
            <Diff before={change.before} after={change.after} />
          </div>
        ))}
      </>
    )
  }
  const path = text(input.file_path) || text(input.notebook_path)
  const head = path && <p class="path"><bdi>{exact(path)}</bdi></p>
  switch (name) {
    case 'Bash':
    case 'PowerShell':
      return (
        <>
          {text(input.description) && <p class="quiet small">{plain(text(input.description))}</p>}
          <Code text={text(input.command)} language="bash" />
        </>
      )
    case 'Edit':
      return <>{head}<Diff before={text(input.old_string)} after={text(input.new_string)} /></>
    case 'MultiEdit':
      return (
        <>
          {head}
          {list(input.edits).map((edit, index) => <Diff key={index} before={text(edit.old_string)} after={text(edit.new_string)} />)}
        </>
      )
    case 'Write':
      return <>{head}<Code text={text(input.content)} language={languageOf(path)} /></>
    case 'TodoWrite':
      return <Todos todos={list(input.todos)} />
    case 'ExitPlanMode':
      return <Markdown text={text(input.plan)} />
    case 'Task':
    case 'Agent':
      return <Markdown text={text(input.prompt)} />
    case 'WebFetch':
      return <><p class="path"><bdi>{exact(text(input.url))}</bdi></p>{text(input.prompt) && <p>{plain(text(input.prompt))}</p>}</>
    default:
      return <Code text={JSON.stringify(input, null, 2)} language="json" />
  }
}

const MARKS: Record<string, string> = { completed: '✓', in_progress: '▸', pending: '○' }

export function Todos({ todos }: { todos: Input[] }) {
  return (
    <ul class="todos">
      {todos.map((todo, index) => {
        const state = text(todo.status) || 'pending'
        return (
          <li key={index} class={`todo todo-${state in MARKS ? state : 'pending'}`}>
            <span aria-hidden="true">{MARKS[state] ?? '○'}</span>
            <span>{plain(text(todo.content) || text(todo.subject))}</span>
          </li>
        )
      })}
    </ul>
  )
}
