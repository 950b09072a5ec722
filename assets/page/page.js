/*
 * Brings the pictures of a page to life: values under the pointer, a slider over the epochs, a choice of layers. Where something fails, the drawn picture
 * stays. "#epoch=64&layers=a,b" behind the address of the page opens it in that state.
 */
;(() => {
  const { vega, vegaLite } = globalThis
  const wanted = new URLSearchParams(location.hash.slice(1))

  const element = (name, attributes = {}, ...children) => {
    const made = Object.assign(document.createElement(name), attributes)
    made.append(...children)
    return made
  }

  const tooltip = element('div', { id: 'tooltip', hidden: true })
  document.body.append(tooltip)

  function showTooltip(_handler, event, _item, value) {
    tooltip.hidden = value === null || value === undefined || value === ''
    if (tooltip.hidden) return
    const rows = Object.entries(typeof value === 'object' ? value : { value }).map(([name, shown]) =>
      element('tr', {}, element('td', { textContent: name }), element('td', { textContent: String(shown) })),
    )
    tooltip.replaceChildren(element('table', {}, ...rows))
    const { width, height } = tooltip.getBoundingClientRect()
    tooltip.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 8)}px`
    tooltip.style.top = `${Math.min(event.clientY + 14, innerHeight - height - 8)}px`
  }

  /** A slider over the epochs with a button that plays them. */
  function epochControls(view, { epochs, rows }) {
    const last = epochs.length - 1
    const slider = element('input', {
      type: 'range',
      min: 0,
      max: last,
      step: 1,
      value: last,
      ariaLabel: rows,
    })
    const shown = element('output')
    const play = element('button', { type: 'button', textContent: 'Play' })
    let timer
    const show = () => {
      const epoch = epochs[Number(slider.value)]
      shown.textContent = `${rows} ${epoch}`
      view.signal('shownEpoch', epoch).runAsync()
    }
    const stop = () => {
      clearInterval(timer)
      timer = undefined
      play.textContent = 'Play'
    }
    const step = () => {
      slider.value = Number(slider.value) + 1
      show()
      if (Number(slider.value) === last) stop()
    }
    play.addEventListener('click', () => {
      if (timer !== undefined) return stop()
      if (Number(slider.value) === last) slider.value = 0
      show()
      play.textContent = 'Stop'
      timer = setInterval(step, Math.min(600, Math.max(40, 6000 / epochs.length)))
    })
    slider.addEventListener('input', () => {
      stop()
      show()
    })
    const asked = epochs.indexOf(Number(wanted.get('epoch')))
    if (wanted.has('epoch') && asked >= 0) slider.value = asked
    show()
    return [play, slider, shown]
  }

  /** A box for each layer. */
  function layerControls(view, { layers }) {
    const asked = wanted.get('layers')?.split(',')
    const boxes = layers.map((layer) => {
      const checked = asked === undefined || asked.includes(layer)
      return element('input', { type: 'checkbox', value: layer, checked })
    })
    const show = () => {
      const chosen = boxes.filter((box) => box.checked).map((box) => box.value)
      view.signal('shownLayers', chosen.length === layers.length ? null : chosen).runAsync()
    }
    const field = element(
      'fieldset',
      {},
      ...boxes.map((box, i) => element('label', {}, box, ` ${layers[i]}`)),
    )
    field.addEventListener('change', show)
    if (asked !== undefined) show()
    const all = element('button', { type: 'button', textContent: 'All' })
    const none = element('button', { type: 'button', textContent: 'None' })
    for (const [button, checked] of [
      [all, true],
      [none, false],
    ]) {
      button.addEventListener('click', () => {
        for (const box of boxes) box.checked = checked
        show()
      })
    }
    return [all, none, field]
  }

  /** The layer under the pointer stands out. */
  function emphasize(view) {
    let current = null
    const set = (layer) => {
      if (layer === current) return
      current = layer
      view.signal('emphasized', layer).runAsync()
    }
    view.addEventListener('pointerover', (_event, item) => set(item?.datum?.layer ?? null))
    view.addEventListener('pointerout', () => set(null))
  }

  async function enliven(figure) {
    const spec = JSON.parse(figure.querySelector('.vega-lite-spec').textContent)
    const picture = figure.querySelector('.picture')
    const live = document.createElement('div')
    const view = new vega.View(vega.parse(vegaLite.compile(spec).spec), {
      renderer: 'svg',
      hover: true,
      tooltip: showTooltip,
    })
    await view.initialize(live).runAsync()
    picture.replaceChildren(live)
    const meta = spec.usermeta?.hyperglow
    if (meta === undefined) return
    const controls = [
      ...(meta.epochs.length > 1 ? epochControls(view, meta) : []),
      ...(meta.layers.length > 1 ? layerControls(view, meta) : []),
    ]
    if (controls.length > 0) picture.before(element('div', { className: 'controls' }, ...controls))
    if (meta.layers.length > 1) emphasize(view)
  }

  const figures = [...document.querySelectorAll('figure')].filter((figure) =>
    figure.querySelector('.vega-lite-spec'),
  )
  Promise.allSettled(figures.map(enliven)).then((ends) => {
    for (const { reason } of ends) if (reason !== undefined) console.error(reason)
    document.body.dataset.state = ends.some(({ reason }) => reason !== undefined) ? 'failed' : 'alive'
  })
})()
