import '../no-eval.ts'
import { render } from 'preact'
import { streamIdSchema } from '../../common/wire/stream.ts'
import { Viewer } from './viewer.tsx'
import '../base.css'
import './watch.css'

const path = location.pathname.split('/')
const streamId = streamIdSchema.safeParse(decodeURIComponent(path[path.indexOf('watch') + 1] ?? ''))
const app = document.getElementById('app')

if (app !== null) {
  render(
    streamId.success ? (
      <Viewer streamId={streamId.data} />
    ) : (
      <main class="stage">
        <div class="notice" role="alert">
          <h1>There is no such stream</h1>
          <p>The address of this page does not name a stream.</p>
          <div class="choices">
            <a class="button" href="/">
              All streams
            </a>
          </div>
        </div>
      </main>
    ),
    app,
  )
}
