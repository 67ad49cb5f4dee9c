"""The authored part of the cardiovascular cards."""

from __future__ import annotations

from datetime import date

from training.card import AuthoredFields, SignOff
from training.statements import common
from training.statements.common import not_applicable
from training.values import Bilingual

CARDIOVASCULAR = AuthoredFields(
    plain_purpose=Bilingual(
        fr="Ce modèle estime, pour une personne de 40 à 79 ans suivie en médecine générale et sans maladie "
        "cardiovasculaire connue, la probabilité d’un infarctus, d’un accident vasculaire cérébral ou d’un décès "
        "cardiovasculaire dans les dix ans, pour aider le médecin à discuter de prévention.",
        en="For a person aged 40 to 79 followed in general practice and without known cardiovascular disease, this model "
        "estimates the probability of a heart attack, a stroke or a cardiovascular death within ten years, to help the "
        "doctor discuss prevention.",
    ),
    plain_prohibition=Bilingual(
        fr="Il ne doit servir ni à décider à la place du médecin et du patient, ni à refuser des soins, ni à une "
        "assurance, un employeur ou la promotion d’un produit de santé.",
        en="It must not be used to decide in place of doctor and patient, to refuse care, nor by an insurer, an employer "
        "or for promoting a health product.",
    ),
    clinical_context=Bilingual(
        fr="Les recommandations européennes (ESC 2021) fondent la prévention primaire sur SCORE2 (40 à 69 ans) et "
        "SCORE2-OP (70 à 89 ans), étalonnés pour la France comme région à bas risque. Ces équations lisent six "
        "mesures ponctuelles ; le dossier de médecine générale contient aussi leur évolution, les traitements et les "
        "maladies associées. Aucune recommandation de la HAS fondée sur SCORE2 n’est connue à ce jour : les "
        "catégories affichées sont celles de l’ESC.",
        en="European guidelines (ESC 2021) base primary prevention on SCORE2 (40 to 69 years) and SCORE2-OP (70 to 89), "
        "calibrated for France as a low-risk region. These equations read six single measurements; the general-practice "
        "record also holds their course, treatments and other diseases. No HAS guideline built on SCORE2 is known to "
        "date: the categories shown are the ESC’s.",
    ),
    intended_use=Bilingual(
        fr="Informer une discussion de prévention primaire en consultation. Le résultat s’ajoute à SCORE2, affiché à "
        "côté, et au jugement du médecin ; il ne déclenche rien de lui-même.",
        en="To inform a discussion of primary prevention in a consultation. The result comes beside SCORE2, shown with "
        "it, and the doctor’s judgement; it triggers nothing by itself.",
    ),
    intended_users=Bilingual(
        fr="Médecins généralistes et infirmiers de pratique avancée formés à la communication du risque "
        "cardiovasculaire ; chercheurs.",
        en="General practitioners and advanced-practice nurses trained in communicating cardiovascular risk; "
        "researchers.",
    ),
    out_of_scope=Bilingual(
        fr="Personnes de moins de 40 ans ou de 80 ans et plus, avec une maladie cardiovasculaire connue, inscrites depuis "
        "moins d’un an, ou sans pression artérielle depuis deux ans : le modèle s’abstient. Grossesse, "
        "hypercholestérolémie familiale, situations aiguës : ne pas l’utiliser.",
        en="People under 40 or 80 and over, with known cardiovascular disease, registered for less than a year, or "
        "without a blood pressure within two years: the model abstains. Pregnancy, familial hypercholesterolaemia, acute "
        "situations: do not use it.",
    ),
    how_to_use=Bilingual(
        fr="Lire le risque avec sa catégorie ESC, le comparer à SCORE2, regarder les raisons et les données manquantes. Un "
        "écart net avec SCORE2 est un motif de vérifier les données du dossier avant d’en parler.",
        en="Read the risk with its ESC category, compare it with SCORE2, look at the reasons and the missing data. A "
        "clear difference from SCORE2 is a cause to check the record’s data before talking about it.",
    ),
    threshold_rationale=Bilingual(
        fr="5 % et 10 % : bornes des catégories « élevé » et « très élevé » de l’ESC 2021 entre 50 et 69 ans, fixées avant "
        "l’analyse (doi:10.1093/eurheartj/ehab484).",
        en="5% and 10%: the bounds of ESC 2021’s “high” and “very high” categories between 50 and 69 years, set before the "
        "analysis (doi:10.1093/eurheartj/ehab484).",
    ),
    interpretation=Bilingual(
        fr="Les données sont synthétiques : les résultats montrent que la méthode retrouve une vérité connue, non ce que le "
        "modèle vaudrait en France. Le modèle répond pour environ deux fois plus de personnes que SCORE2, qui refuse quand une mesure manque ; là où les deux répondent, la différence (champ 35) peut être nulle ou défavorable : le comité doit la lire.",
        en="The data are synthetic: results show that the method recovers a known truth, not what the model would be worth "
        "in France. The model answers for about twice as many people as SCORE2, which refuses when a measurement is missing; where both answer, the difference (field 35) may be nil or unfavourable: the committee should read it.",
    ),
    fairness_approach=Bilingual(
        fr="Le but premier est la même calibration pour tous : un risque annoncé de 10 % doit se réaliser une fois sur dix "
        "dans chaque groupe. La tolérance (observé / prédit entre 0,8 et 1,25) est fixée avant l’analyse. La "
        "défavorisation n’est pas une variable d’entrée ; un écart selon elle est montré et non corrigé en silence. "
        "Égaliser les taux d’erreur dérèglerait la calibration aux seuils de décision.",
        en="The first aim is the same calibration for all: an announced risk of 10% should come true one time in ten in "
        "each group. The tolerance (observed / expected between 0.8 and 1.25) is set before the analysis. Deprivation "
        "is not an input; a gap by it is shown, not silently corrected. Equalising error rates would spoil calibration at "
        "decision thresholds.",
    ),
    known_inequalities=Bilingual(
        fr="En France comme ailleurs, l’incidence et la mortalité cardiovasculaires croissent avec la défavorisation, les "
        "femmes sont moins souvent explorées et traitées que les hommes à risque égal, et les patients peu suivis "
        "sont peu mesurés.",
        en="In France as elsewhere, cardiovascular incidence and mortality rise with deprivation, women are less often "
        "investigated and treated than men at equal risk, and patients seen rarely are measured rarely.",
    ),
    human_oversight=Bilingual(
        fr="Le médecin voit les raisons, les données lues et leur date, et peut écarter le résultat. Le comité peut suspendre "
        "le modèle à tout moment ; le service refuse alors de répondre.",
        en="The doctor sees the reasons, the data read and their dates, and may disregard the result. The committee may "
        "suspend the model at any time; the service then refuses to answer.",
    ),
    risks_and_limitations=Bilingual(
        fr="Sur- ou sous-estimation dans un cabinet qui code peu ; fausse assurance devant un risque bas ; biais "
        "d’automatisation. Le départ est supposé indépendant de l’événement. L’horizon de dix ans ne dit rien de "
        "l’année qui vient. Les événements non transmis au cabinet manquent.",
        en="Over- or underestimation in a practice that codes little; false reassurance by a low risk; automation bias. "
        "Departure is assumed independent of the event. A ten-year horizon says nothing of the coming year. Events never "
        "reported to the practice are missing.",
    ),
    risk_management=Bilingual(
        fr="Validité : validation croisée par cabinet. Fiabilité : octets du modèle signés, réponses témoins au démarrage. "
        "Équité : audit par groupe. Intelligibilité : raisons en clair. Sécurité : abstention hors du domaine validé. "
        "Vie privée : aucun enregistrement de patient dans les journaux, petits effectifs masqués.",
        en="Validity: cross-validation by practice. Reliability: signed model bytes, golden answers at start-up. Fairness: "
        "audit by group. Intelligibility: reasons in plain words. Safety: abstention outside the validated domain. "
        "Privacy: no patient record in logs, small counts suppressed.",
    ),
    monitoring=Bilingual(
        fr="Avant tout usage réel : calibration observée / prédite par cabinet chaque trimestre, part d’abstentions et de "
        "données manquantes par éditeur de logiciel chaque mois, sous la responsabilité de l’exploitant ; alerte au "
        "comité hors de 0,8 à 1,25.",
        en="Before any real use: observed / expected by practice each quarter, share of abstentions and missing data by "
        "software vendor each month, under the operator’s responsibility; the committee is alerted outside 0.8 to 1.25.",
    ),
    updates=Bilingual(
        fr="L’approbation expire à la date fixée par le comité ; au-delà, le service refuse de répondre. Toute modification "
        "produit une nouvelle carte, donc une nouvelle décision.",
        en="Approval expires on the date set by the committee; after it the service refuses to answer. Any change makes a "
        "new card, hence a new decision.",
    ),
    environmental_cost=Bilingual(
        fr="Entraînement et validation : quelques minutes sur deux cœurs de processeur. Une réponse : quelques millisecondes.",
        en="Training and validation: a few minutes on two processor cores. An answer: a few milliseconds.",
    ),
    legal_basis=common.LEGAL_BASIS,
    patient_information=Bilingual(
        fr="Votre médecin peut s’aider d’un calcul fait à partir de votre dossier pour estimer votre risque de maladie du "
        "cœur ou des vaisseaux. Ce calcul ne décide de rien. Vous pouvez demander à voir les données utilisées et le "
        "résultat, et vous y opposer, sans conséquence sur vos soins (art.\u00a0L.\u00a04001-3 du code de la santé publique).",
        en="Your doctor may use a calculation made from your record to estimate your risk of heart and vessel disease. The "
        "calculation decides nothing. You may ask to see the data used and the result, and you may object, without any "
        "consequence for your care (art.\u00a0L.\u00a04001-3 of the French public-health code).",
    ),
    funding=common.FUNDING,
    conflicts_of_interest=common.CONFLICTS_OF_INTEREST,
    involvement=common.INVOLVEMENT,
    openness=common.OPENNESS,
    references=Bilingual(
        fr="SCORE2 : doi:10.1093/eurheartj/ehab309. SCORE2-OP : doi:10.1093/eurheartj/ehab312. ESC 2021 : "
        "doi:10.1093/eurheartj/ehab484. TRIPOD+AI : BMJ 2024;385:e078378.",
        en="SCORE2: doi:10.1093/eurheartj/ehab309. SCORE2-OP: doi:10.1093/eurheartj/ehab312. ESC 2021: "
        "doi:10.1093/eurheartj/ehab484. TRIPOD+AI: BMJ 2024;385:e078378.",
    ),
    tests_signed_off=SignOff(
        responsible="Suite de tests automatique / automated test suite", signed_on=date(2026, 11, 24)
    ),
)

CARDIOVASCULAR_5_YEARS = CARDIOVASCULAR.model_copy(
    update={
        "plain_purpose": Bilingual(
            fr="Ce modèle estime, pour une personne de 40 à 79 ans suivie en médecine générale et sans maladie "
            "cardiovasculaire connue, la probabilité d’un infarctus, d’un accident vasculaire cérébral ou d’un décès "
            "cardiovasculaire dans les cinq ans, pour aider le médecin à discuter de prévention.",
            en="For a person aged 40 to 79 followed in general practice and without known cardiovascular disease, this "
            "model estimates the probability of a heart attack, a stroke or a cardiovascular death within five years, "
            "to help the doctor discuss prevention.",
        ),
        "clinical_context": Bilingual(
            fr="Les scores publiés annoncent un risque à dix ans. À cinq ans, l’échéance est plus proche de la décision et "
            "le suivi observé plus complet ; aucun score européen n’y est publié, et aucune catégorie de l’ESC n’y "
            "correspond.",
            en="Published scores give a ten-year risk. Five years are nearer to the decision and follow-up is more "
            "complete; no European score is published for them, and no ESC category corresponds.",
        ),
        "intended_use": Bilingual(
            fr="Informer une discussion de prévention primaire en consultation, à côté de SCORE2 et du jugement du médecin ; "
            "il ne déclenche rien de lui-même.",
            en="To inform a discussion of primary prevention in a consultation, beside SCORE2 and the doctor’s judgement; "
            "it triggers nothing by itself.",
        ),
        "how_to_use": Bilingual(
            fr="Lire le risque, les raisons et les données manquantes. Ne pas le comparer à un risque à dix ans : il est "
            "plus petit par construction.",
            en="Read the risk, the reasons and the missing data. Do not compare it with a ten-year risk: it is smaller by "
            "construction.",
        ),
        "threshold_rationale": Bilingual(
            fr="2,5 % et 5 % : la moitié des bornes de l’ESC à dix ans entre 50 et 69 ans, fixées avant l’analyse ; elles "
            "n’ont pas de valeur de recommandation.",
            en="2.5% and 5%: half of the ESC’s ten-year bounds between 50 and 69 years, set before the analysis; they have "
            "no standing as a guideline.",
        ),
        "interpretation": Bilingual(
            fr="Les données sont synthétiques : les résultats montrent que la méthode retrouve une vérité connue, non ce que "
            "le modèle vaudrait en France. Le modèle de comparaison est une régression logistique sur les mêmes "
            "variables.",
            en="The data are synthetic: results show that the method recovers a known truth, not what the model would be "
            "worth in France. The model compared with is a logistic regression on the same features.",
        ),
    }
)

FRAMINGHAM = CARDIOVASCULAR.model_copy(
    update={
        "plain_purpose": Bilingual(
            fr="Ce modèle d’essai estime, pour une personne de 30 à 79 ans sans maladie cardiovasculaire connue, la "
            "probabilité d’un premier événement cardiovasculaire dans les dix ans, d’après la cohorte de Framingham "
            "(États-Unis, 1956 à 1980).",
            en="For a person aged 30 to 79 without known cardiovascular disease, this trial model estimates the probability "
            "of a first cardiovascular event within ten years, from the Framingham cohort (United States, 1956 to 1980).",
        ),
        "out_of_scope": Bilingual(
            fr="Tout usage clinique : la cohorte est ancienne, américaine, et ses variables ont été modifiées pour "
            "l’anonymat.",
            en="Any clinical use: the cohort is old, American, and its variables were altered for anonymity.",
        ),
        "interpretation": Bilingual(
            fr="Ces résultats éprouvent la plateforme sur des événements et des décès réels. Ils ne disent rien de patients "
            "d’aujourd’hui : l’incidence cardiovasculaire a beaucoup baissé depuis.",
            en="These results try the platform on real events and deaths. They say nothing of today’s patients: "
            "cardiovascular incidence has fallen a great deal since.",
        ),
        "risks_and_limitations": Bilingual(
            fr="L’événement est celui que déclare le jeu d’enseignement (colonne CVD) : 130 des 369 événements à dix ans après le premier examen ne coïncident avec aucun infarctus, décès coronarien ni accident vasculaire cérébral daté (86 sont des premiers angors), et 24 infarctus hospitaliers n’y figurent pas. Le cholestérol HDL n’a été mesuré qu’au troisième examen : SCORE2 et Framingham 2008 ne répondent que pour lui.",
            en="The event is the one the teaching set declares (column CVD): 130 of the 369 events within ten years of the first examination fall on no dated infarction, coronary death or stroke (86 are first anginas), and 24 hospital infarctions are not among them. HDL cholesterol was measured at the third examination only: SCORE2 and Framingham 2008 answer for it alone.",
        ),
        "legal_basis": not_applicable(
            "Jeu d’enseignement diffusé avec l’accord du NHLBI, variables modifiées pour l’anonymat.",
            "Teaching data set distributed with NHLBI’s permission, variables altered for anonymity.",
        ),
        "openness": Bilingual(
            fr="Code ouvert (Apache-2.0) ; le jeu d’enseignement n’est pas redistribué avec le code.",
            en="Open code (Apache-2.0); the teaching data set is not redistributed with the code.",
        ),
    }
)
