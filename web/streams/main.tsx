import { render } from 'preact'
import { z } from 'zod'
import { Streams } from './streams.tsx'
import '../base.css'
import './streams.css'

// zod would try to compile its schemas with `new Function`, which the content security policy reports as an error.
z.config({ jitless: true })

const app = document.getElementById('app')
if (app !== null) render(<Streams />, app)
