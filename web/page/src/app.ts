// The page: one button, two meters, the words of both sides. It uses the client and nothing else of it.

import { html, LitElement, nothing } from "lit";
import { asText, Conversation, type ConversationEvents } from "./parley.js";
import { Meters } from "./meters.js";
import { keep, kept, patience, type Patience } from "./patience.js";
import { figuresView, heroView, logView, mark, meterView, patienceView, problemView, recordingText, recordingView, status, type View } from "./views.js";

declare global {
  interface Window {
    /** The conversation of this page, for tests and for the curious. */
    parley: Conversation;
  }
}

const changes: readonly (keyof ConversationEvents)[] = [
  "phase", "hello", "state", "transcript", "latency", "counters", "steady", "problem", "muted", "recording", "microphones",
];

/** The longest typed text, in UTF-16 units: the server takes 4000 bytes. */
const longest = 1300;

/** How near to its end the transcript must be scrolled to follow new words, in pixels. */
const near = 80;

/** The page. It renders into itself: its style is the document's. */
class Page extends LitElement {
  private readonly conversation = new Conversation();
  private meters: Meters | undefined;
  private follow = true;
  private focused = false;
  private copied = false;
  private chosen: Patience = kept(() => localStorage);
  private used = this.chosen; // in the present call

  override connectedCallback(): void {
    super.connectedCallback();
    window.parley = this.conversation;
    for (const name of changes) this.conversation.addEventListener(name, () => this.requestUpdate());
    this.conversation.patience = this.chosen.factor;
    addEventListener("pagehide", () => this.conversation.hangup());
    addEventListener("click", () => {
      if (this.conversation.problem?.code === "sound-blocked") void this.conversation.unblock();
    });
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  protected override firstUpdated(): void {
    const [you, agent] = this.querySelectorAll<HTMLElement>(".meter .lit");
    if (you && agent) this.meters = new Meters(this.conversation, you, agent);
    const main = this.querySelector("main");
    if (main) new ResizeObserver(() => this.toEnd()).observe(main);
  }

  protected override willUpdate(): void {
    this.focused = this.contains(document.activeElement);
  }

  protected override updated(): void {
    this.toEnd();
    // What had the focus may be gone: the button is always there.
    if (this.focused && !this.contains(document.activeElement)) this.querySelector<HTMLElement>("button.main")?.focus();
    if (this.conversation.phase === "talking") this.meters?.start();
    else this.meters?.stop();
  }

  /** Keeps the newest words in view, unless the reader has scrolled back. */
  private toEnd(): void {
    const main = this.querySelector("main");
    if (main && this.follow) main.scrollTop = main.scrollHeight;
  }

  private readonly scrolled = (e: Event): void => {
    const main = e.currentTarget as HTMLElement;
    this.follow = main.scrollHeight - main.scrollTop - main.clientHeight < near;
  };

  protected override render(): View {
    const c = this.conversation;
    const begun = c.transcript.length > 0 || c.phase === "talking" || c.phase === "ended";
    return html`
      <header>
        <h1>parley</h1>
        <p class="status" data-phase=${c.phase} data-state=${c.state} ?data-muted=${c.muted} ?data-lost=${!c.steady}>
          <i class="dot"></i><span>${status(c.phase, c.state, c.muted, c.steady)}</span>
        </p>
        ${figuresView(c.latency, c.counters)}
      </header>
      <main @scroll=${this.scrolled}>
        ${begun ? this.log() : heroView()}
      </main>
      <footer>
        <div role="alert">${problemView(c.problem, {
          type: () => this.connect(true),
          dismiss: () => c.dismiss(),
        })}</div>
        ${this.stage()} ${c.phase === "talking" ? this.typing() : nothing} ${this.settings(begun)}
        <p class="sr" role="status">${this.announcement()}</p>
      </footer>`;
  }

  private log(): View {
    const c = this.conversation;
    const waiting = c.phase === "talking" && c.state === "thinking";
    // Not a live region: its words are being spoken aloud, and a reader's voice would go into the microphone.
    return html`<ol class="log" role="log" aria-live="off" aria-label="Conversation" tabindex="0">
      ${logView(c.transcript, waiting)}
      ${c.phase === "ended" ? hint(c.reason) : c.transcript.length === 0 && !waiting ? hint("Speak now.") : nothing}
    </ol>`;
  }

  /** The button between the meters. */
  private stage(): View {
    const phase = this.conversation.phase;
    const busy = phase === "asking" || phase === "connecting";
    const off = phase === "idle" || phase === "ended";
    const label = off ? "Talk" : busy ? "Cancel" : "Hang up";
    return html`<div class="stage">
      ${meterView("you", "You")}
      <button class="main ${off ? "" : "stop"}" aria-busy=${busy} @click=${this.press}>
        ${mark(off ? "talk" : "hangup")}<span>${label}</span>
      </button>
      ${meterView("agent", "Agent")}
    </div>`;
  }

  private typing(): View {
    const c = this.conversation;
    return html`<div class="typing">
      <button class="quiet mute" aria-pressed=${c.muted} ?disabled=${c.voiceless} @click=${() => c.mute(!c.muted)}>
        ${mark(c.muted ? "muted" : "talk")}<span>${c.muted ? "Muted" : "Mute"}</span>
      </button>
      <form @submit=${this.submit}>
        <input name="text" maxlength=${longest} autocomplete="off" enterkeyhint="send" placeholder="or type" aria-label="Type instead of speaking">
        <button class="quiet" aria-label="Send">${mark("send")}</button>
      </form>
    </div>`;
  }

  private settings(begun: boolean): View {
    const c = this.conversation;
    return html`<div class="settings">
      <label><span class="sr">Microphone</span>
        <select @change=${(e: Event) => void c.setMicrophone((e.target as HTMLSelectElement).value)}>
          <option value="" ?selected=${c.microphone === ""}>System microphone</option>
          ${c.microphones.map((m, i) => html`
            <option value=${m.id} ?selected=${m.id === c.microphone}>${m.name || `Microphone ${i + 1}`}</option>`)}
        </select>
      </label>
      ${patienceView(this.chosen, c.phase === "idle" || c.phase === "ended" ? undefined : this.used, this.choose)}
      ${recordingView(c.recording, c.phase === "talking", (on) => void c.record(on))}
      ${c.hello ? html`<p class="engines">${[c.hello.stt, c.hello.llm, c.hello.tts].filter(Boolean).join(" · ")}</p>` : nothing}
      ${begun && c.transcript.length > 0 ? html`<button class="quiet copy" @click=${this.copy}>${this.copied ? "Copied" : "Copy transcript"}</button>` : nothing}
    </div>`;
  }

  /** What a screen reader says by itself: only what is not heard anyway. */
  private announcement(): string {
    const c = this.conversation;
    if (this.copied) return "Transcript copied";
    if (c.phase === "idle") return "";
    if (c.phase !== "talking") return `${status(c.phase, c.state, c.muted, c.steady)} ${c.reason}`.trim();
    if (!c.steady) return "Reconnecting";
    const record = c.recording && !c.recording.on ? `. ${recordingText(c.recording)}` : "";
    return (c.muted ? "Microphone muted" : "Connected") + record;
  }

  private readonly press = (): void => {
    const c = this.conversation;
    if (c.phase === "idle" || c.phase === "ended") this.connect(false);
    else c.hangup();
  };

  private connect(voiceless: boolean): void {
    this.used = this.chosen;
    void this.conversation.connect(voiceless);
  }

  private readonly choose = (name: string): void => {
    this.chosen = patience(name);
    this.conversation.patience = this.chosen.factor;
    keep(() => localStorage, this.chosen);
    this.requestUpdate();
  };

  private readonly submit = (e: SubmitEvent): void => {
    e.preventDefault();
    const form = e.target as HTMLFormElement;
    const text = new FormData(form).get("text");
    if (typeof text === "string" && this.conversation.send(text)) form.reset();
  };

  private readonly copy = async (): Promise<void> => {
    this.copied = await toClipboard(asText(this.conversation.transcript));
    this.requestUpdate();
    setTimeout(() => {
      this.copied = false;
      this.requestUpdate();
    }, 2000);
  };
}

function hint(text: string): View {
  return text ? html`<li class="hint">${text}</li>` : nothing;
}

/** Copies text; where the page has no clipboard (no HTTPS), by way of a selection. */
async function toClipboard(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

customElements.define("parley-page", Page);
