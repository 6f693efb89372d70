"""Words of descriptions that tell sequence, plane, region and technique, and name nobody.

They may stay when names are taken out (`npc_intake.identity.words`), and beside an agent they say
nothing of whether it was given (`npc_intake.find.contrast`).
"""

TECHNIQUE = """
t1 t2 t1w t2w t2star pd pdw star w weighted se tse fse ffe gre ge gr tfe fl flash spgr fspgr vibe
lava thrive mprage mp2rage bravo space spc cube vista blade propeller multivane haste ssfse sshtse
ssh tir ciss fiesta trufi truefisp fisp psif btfe bffe balanced drive ssfp ir stir tirm tirfs
flair dark fluid fluidattenuated inversion recovery dwi dw diff diffusion adc trace tracew resolve
zoomit zoom ivim dti dki tensor ep epi epse epfid bold fmri rest resting state swi swip swan qsm
susceptibility venobold tof angio angiography mra mrv pca inflow tricks twist disco grasp dce dsc
dynamic dyn perf perfusion perfusie asl pcasl cbf cbv mtc mt apt cest mrs spectro spectroscopy svs
csi press dixon mdixon ideal flex iphase water fat wasser fett f ip op in out opp opposed phase
inphase outphase oppphase map maps mapping relaxometry fingerprinting mrf molli field fieldmap fm
b0 b1 gre2d magnitude mag real imaginary fs fatsat fatsuppressed sat saturation sup suppression
suppressed spair spir sting chess nofs mip minip mpr reformat reformatted reformats sub subtraction
fused fusion derived image images series sequence unclear other scan loc localizer localiser scout
survey topogram pl plane planes three tri cal calib calibration asset ref reference prescan coil
shim smartbrain senseref sense grappa caipi arc hyperband multiband mb sms acc accelerated cs dl
deep resolve  iso isotropic 2d 3d 4d hi high low res hires resolution thin thick fast
std standard routine normal new repeat repeated rep rpt motion moco corr corrected
nav navigator trig triggered trigger resp breath hold bh free dis2d dis3d norm filtered pre post
delay delayed early late venous arterial ph pha min sec ax axi axial axiaal tra trans
aks aksiyel aksial transv transverse transversal transversaal transaxial transaxiale
cor coronal coronaal koronar sag
sagittal sagittaal sagital obl oblique multi single shot echo dual double fov full
neck head brain skull base skullbase nasopharynx naso nasopharyngeal np npc nose nasal sinus
sinuses pns face facial orbit orbits pharynx oropharynx hypopharynx larynx throat oral cavity tongue
parotid thyroid node nodes lymph cervical cspine spine hn headneck hals kopf schadel nasenrachen cou
tete cuello cabeza collo testa hoofd hals pescoco cabeca cerveau cerebro cervello rt radiotherapy
planning plan baseline follow up followup fu chemo treatment restaging surveillance immediately
compressed frfse primefse wfi wfs wfop fatsep drb drg hres jet starvibe view mri mrsim hws iac npx
cavum nasofaringe parotis sella submandibular submandibularis mandibular subcutaneous subclavian
schadelbasis planung verlauf
hochauflosend spaet spat tardif tardiva assiale aksiyal boyun szyja twarzoczaszka craneo
large upper lower middle part left right both sides bilateral gap coverage
mandible mandibula maxilla clavicle clavicula clivus petrous mastoid retropharyngeal supraclavicular
infratemporal inlet hyoid vertex protocol protokoll research study clinical trial wdh wiederholung
wiederholt rst qtse turbo quiet gated air airrecon denoise denoised smartspeed aice
massiccio facciale pat2 locoregional advanced wrap аксиал аксиальная аксиальные носоглотка шея
"""
EAST_ASIAN = """
鼻咽 鼻咽癌 鼻咽部 咽部 颈部 頸部 颈椎 头颅 头颈 头颈部 頭部 頭頸部 脑部 颅底
轴位 横断 横断位 横断面 横轴位 矢状 矢状位 冠状 冠状位 扫描 序列 加权 定位 定位像 位置決め
給与 压脂 脂肪 抑脂 抑制 延迟 延迟期 遅延 横断像 动态 弥散 扩散 擴散 拡散 灌注 血管 波谱 後期
"""
