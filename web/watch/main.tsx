import { render } from 'preact'
import { z } from 'zod'
import { streamIdSchema } from '../../common/wire/stream.ts'
import { Viewer } from './viewer.tsx'
import '../base.css'
import './watch.css'

// zod would try to compile its schemas with `new Function`, which the content security policy reports as an error.
z.config({ jitless: true })

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
          <a class="button" href="/">
            All streams
          </a>
        </div>
      </main>
    ),
    app,
  )
}
